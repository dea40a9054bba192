/** Installs what brings this page up without a server: only where the browser allows it (https, or this machine itself). */
export function installWorker(): void {
  if (!("serviceWorker" in navigator) || !import.meta.env.PROD) return;
  // After everything that the first look needs.
  const install = () => navigator.serviceWorker.register("/brief-worker.js", { scope: "/brief", updateViaCache: "none" }).catch(() => undefined);
  if (document.readyState === "complete") setTimeout(() => void install(), 2000);
  else addEventListener("load", () => setTimeout(() => void install(), 2000), { once: true });
}
