"use strict";
// Subscribes this browser to push messages. The address and the keys that the browser makes go to the server only.

const PUSH_WORKER = "static/push_worker.js";

function bytesOf(base64url) {
  const text = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(text, (sign) => sign.charCodeAt(0));
}

const pushPossible = () => "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;

async function pushRegistration() {
  await navigator.serviceWorker.register(PUSH_WORKER);
  // Not `ready`: that waits for a worker that controls this page, and this one only has to receive.
  const registration = await navigator.serviceWorker.getRegistration(PUSH_WORKER);
  const waiting = registration.installing || registration.waiting;
  if (!registration.active && waiting) {
    await new Promise((resolve) => waiting.addEventListener("statechange", () => waiting.state === "activated" && resolve()));
  }
  return registration;
}

async function currentSubscription() {
  if (!pushPossible()) return null;
  const registration = await navigator.serviceWorker.getRegistration(PUSH_WORKER);
  return registration ? registration.pushManager.getSubscription() : null;
}

async function subscribeBrowser(publicKey) {
  if (!pushPossible()) throw new Error("This browser has no push messages here. They need https, or this machine itself.");
  if ((await Notification.requestPermission()) !== "granted") {
    throw new Error("The browser does not allow notifications of this site. Allow them in its settings, then try again.");
  }
  const registration = await pushRegistration();
  const known = await registration.pushManager.getSubscription();
  if (known) await known.unsubscribe(); // it may belong to an earlier key
  return registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytesOf(publicKey) });
}
