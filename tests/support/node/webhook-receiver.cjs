// A receiver as a customer would write it: every message is verified by the Standard Webhooks library for JavaScript.
// POST /hook answers 204, or 401 to a forged one. POST /flaky answers 503 twice for each webhook-id before that.
// GET /received lists what was verified.
const http = require("node:http");
const { Webhook } = require("standardwebhooks");

const webhook = new Webhook(process.env.RECEIVER_SECRET);
const received = [];
const seen = new Map();

http
  .createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      if (request.method === "GET") {
        response.setHeader("Content-Type", "application/json");
        return response.end(JSON.stringify(received));
      }
      const body = Buffer.concat(chunks).toString("utf8");
      let payload;
      try {
        payload = webhook.verify(body, request.headers);
      } catch (error) {
        response.statusCode = 401;
        return response.end(error.message);
      }
      const id = request.headers["webhook-id"];
      const signature = request.headers["webhook-signature"];
      received.push({ id, signature, timestamp: request.headers["webhook-timestamp"], payload, path: request.url });
      const times = (seen.get(id) ?? 0) + 1;
      seen.set(id, times);
      response.statusCode = request.url === "/flaky" && times < 3 ? 503 : 204;
      response.end();
    });
  })
  .listen(Number(process.env.PORT));
