// The hello of the benchmark on Node's own server: node hello.js PORT
const http = require('node:http');

const answer = (response) => {
  response.writeHead(200, { 'content-type': 'text/plain' });
  response.end('Hello, World!\n');
};

const server = http.createServer((request, response) => {
  if (request.url.startsWith('/sleep')) setTimeout(answer, 1000, response);
  else answer(response);
});
server.listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096 });
