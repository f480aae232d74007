"use strict";
// Shows what is pushed to this browser, also while no page of Smart Grid is open.

// Only web addresses, and nothing that runs: the data of a message come from elsewhere.
function safeLink(link) {
  try {
    const url = new URL(link, self.location.origin);
    return ["https:", "http:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

self.addEventListener("push", (event) => {
  let message = {};
  try {
    message = event.data ? event.data.json() : {};
  } catch {
    message = { body: event.data ? event.data.text() : "" };
  }
  const shown = message.notification || message;
  const data = message.data || {};
  const title = shown.title || message.subject || "Smart Grid";
  event.waitUntil(self.registration.showNotification(title, {
    body: shown.body || message.message || message.text || "",
    // A later message about the same trouble replaces the earlier one.
    tag: data.incident_id ? `incident-${data.incident_id}` : undefined,
    renotify: Boolean(data.incident_id),
    requireInteraction: data.severity === "critical",
    data: { link: safeLink(data.link || "") || new URL("../notifications", self.location.href).href },
  }));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(self.clients.openWindow(event.notification.data.link));
});
