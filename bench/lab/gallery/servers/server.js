// Node's http server. With "graceful" SIGTERM closes it; otherwise the signal has its default.
'use strict';
const http = require('node:http');
const [host, port, mode] = process.argv.slice(2);

const server = http.createServer((request, response) => {
	const reply = () => response.end('ok\n');
	if (request.url === '/slow') setTimeout(reply, {{.SlowMS}});
	else reply();
});
server.keepAliveTimeout = 75_000;
server.listen({host, port: Number(port), backlog: 4096});
if (mode === 'graceful') process.on('SIGTERM', () => server.close());
