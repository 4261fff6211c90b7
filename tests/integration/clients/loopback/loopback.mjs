// Refuses every connection of this process to another machine, and writes its address to the file FOREIGN.
import fs from 'node:fs';
import net from 'node:net';

const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (...parameters) {
  const {host = 'localhost'} = [parameters].flat(2).find((one) => one !== null && typeof one === 'object') ?? {};
  if (!['127.0.0.1', '::1', 'localhost'].includes(host)) {
    fs.appendFileSync(process.env.FOREIGN, `${host}\n`);
    throw new Error(`${host} is not this machine`);
  }
  return connect.apply(this, parameters);
};
