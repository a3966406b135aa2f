// A handler in JavaScript: says where it was asked, echoes what it is sent, streams.
addEventListener('fetch', (event) => event.respondWith(answer(event.request)));

async function answer(request) {
  const { pathname } = new URL(request.url);
  if (request.method === 'POST') return new Response(request.body);
  if (pathname.endsWith('/stream')) return new Response(pieces());
  return new Response(`hello from JavaScript at ${pathname}\n`, {
    headers: { 'content-type': 'text/plain' },
  });
}

function pieces() {
  let n = 0;
  return new ReadableStream({
    async pull(controller) {
      if (n === 5) return controller.close();
      await new Promise((resolve) => setTimeout(resolve, 50));
      controller.enqueue(new TextEncoder().encode(`piece ${n++}\n`));
    },
  });
}
