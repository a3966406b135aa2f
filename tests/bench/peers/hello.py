"""The hello of the benchmark on Tornado: python3 hello.py PORT"""

import asyncio
import logging
import sys

import tornado.httpserver
import tornado.netutil
import tornado.web


class Hello(tornado.web.RequestHandler):
    async def get(self):
        if self.request.path.startswith("/sleep"):
            await asyncio.sleep(1)
        self.set_header("content-type", "text/plain")
        self.write("Hello, World!\n")


async def main():
    logging.getLogger("tornado.access").disabled = True
    app = tornado.web.Application([(r".*", Hello)])
    server = tornado.httpserver.HTTPServer(app)
    server.add_sockets(tornado.netutil.bind_sockets(int(sys.argv[1]), "127.0.0.1", backlog=4096))
    await asyncio.Event().wait()


asyncio.run(main())
