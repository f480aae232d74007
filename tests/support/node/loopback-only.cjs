// Preloaded into every server of these tests: whatever address it asks for, it listens on 127.0.0.1 alone.
const net = require("node:net");

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (...args) {
  if (typeof args[0] === "object" && args[0] !== null && args[0].port !== undefined) {
    args[0] = { ...args[0], host: "127.0.0.1" };
  } else if (typeof args[0] === "number" || typeof args[0] === "string") {
    const callback = args.find((value) => typeof value === "function");
    args = callback ? [Number(args[0]), "127.0.0.1", callback] : [Number(args[0]), "127.0.0.1"];
  }
  return listen.apply(this, args);
};
