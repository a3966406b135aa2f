// The hello of the benchmark on Node's own server: node hello.js PORT
const http = require('node:http');

// With a length: without one Node answers in chunks, which is slower.
const head = { 'content-type': 'text/plain', 'content-length': 14 };

const answer = (response) => {
  response.writeHead(200, head);
  response.end('Hello, World!\n');
};

const server = http.createServer((request, response) => {
  if (request.url.startsWith('/sleep')) setTimeout(answer, 1000, response);
  else answer(response);
});
server.listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096 });
