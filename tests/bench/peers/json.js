// The orders of the benchmark on Node's own server: node json.js PORT
const http = require('node:http');

const isText = (value) => typeof value === 'string';
const isNumber = (value) => typeof value === 'number';
const isWhole = (value) => Number.isInteger(value) && value >= 0;

const isAddress = ({ street, zip, city, country }) =>
  isText(street) && isText(zip) && isText(city) && isText(country);

const isCustomer = ({ id, name, email, address }) =>
  isWhole(id) && isText(name) && isText(email) && isAddress(address);

const isLine = ({ sku, title, quantity, price, weight }) =>
  isText(sku) && isText(title) && isWhole(quantity) && isWhole(price) && isNumber(weight);

const isOrder = ({ id, placed, currency, customer, lines, discount, express, note }) =>
  isText(id) && isText(placed) && isText(currency) && isCustomer(customer) &&
  Array.isArray(lines) && lines.every(isLine) && isNumber(discount) &&
  typeof express === 'boolean' && (note == null || isText(note));

const priced = ({ sku, title, quantity, price, weight }) =>
  ({ sku, title, quantity, price, total: quantity * price, weight: quantity * weight });

const confirm = (order) => {
  if (order.lines.length === 0 || order.lines.some((line) => line.quantity === 0)) return null;
  if (!(order.discount >= 0 && order.discount <= 1)) return null;
  const lines = order.lines.map(priced);
  let [pieces, goods, weight] = [0, 0, 0];
  for (const line of lines) {
    pieces += line.quantity;
    goods += line.total;
    weight += line.weight;
  }
  const discount = Math.floor(goods * order.discount);
  const shipping = Math.floor(weight * 100) + (order.express ? 1500 : 0);
  const { id, name, email, address } = order.customer;
  return {
    order: order.id,
    placed: order.placed,
    customer: {
      id,
      name,
      email,
      address: `${address.street}, ${address.zip} ${address.city}, ${address.country}`,
    },
    lines,
    totals: {
      currency: order.currency,
      pieces,
      goods,
      discount,
      shipping,
      total: goods - discount + shipping,
      weight,
    },
    message: `Thank you, ${name.split(' ')[0]}! Your note: ${order.note ?? 'none'}`,
  };
};

const answer = (response, status, type, body) => {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
};

const refuse = (response, status) => answer(response, status, 'text/plain', 'no order\n');

const take = (response, body) => {
  let order;
  try {
    order = JSON.parse(body);
    if (!isOrder(order)) return refuse(response, 422);
  } catch {
    return refuse(response, 400);
  }
  const confirmation = confirm(order);
  if (confirmation === null) return refuse(response, 422);
  answer(response, 200, 'application/json', JSON.stringify(confirmation));
};

const server = http.createServer((request, response) => {
  if (request.headers['content-type'] !== 'application/json') return refuse(response, 415);
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => take(response, Buffer.concat(chunks)));
});
server.listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096 });
