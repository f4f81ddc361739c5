// Lets this browser keep the key of its sessions, for this address and no other site.
export default function ({ data, setTriggerValue }) {
  if (!data) return;
  const { name, key, last, path, seconds } = data;
  const known = document.cookie.split("; ").find((one) => one.startsWith(`${name}=`)) ?? "";
  const there = known.slice(name.length + 1).split(".")[0];
  if (/^[\w-]{43}$/.test(there) && there !== key) {
    setTriggerValue("other", there); // another window was first
    return;
  }
  const secure = location.protocol === "https:" ? "; secure" : "";
  const kept = `${name}=${key}.${last}`;
  document.cookie = `${kept}; path=${path}; max-age=${seconds}; samesite=strict${secure}`;
  if (!document.cookie.split("; ").includes(kept)) setTriggerValue("refused", key);
}
