// Fills the code that the browser read from the SMS. Never submits: accepting a post is the person's own act.
if ("OTPCredential" in window) {
  const form = document.querySelector("form[data-webotp]"), stop = new AbortController();
  form.addEventListener("submit", () => stop.abort());
  navigator.credentials.get({otp: {transport: ["sms"]}, signal: stop.signal}).then(otp => { form.code.value = otp.code; form.code.focus(); }).catch(() => {});
}
