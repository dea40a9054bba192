// A flood, a fire and two shelters, one of them in the flood, as the public may know them. Tests and pictures of the embed stand on it.
import { call, point, until } from './lib.mjs';

const flood = [[[-75.575, 39.727], [-75.545, 39.722], [-75.52, 39.729], [-75.523, 39.74], [-75.55, 39.737], [-75.572, 39.738], [-75.575, 39.727]]];
/** Words that stand in the world of operations and nowhere else. */
export const secrets = ['Zahra Secret', '+1 302 555 0199', 'caller of the flood', 'engine 7 only', 'SAFEHOUSE'];

/**
 * Makes them on a server that has the city, and publishes them as a supervisor. Resolves with how more is
 * published, and withdrawn; that wants a person who has just proved who they are.
 */
export async function publishThings(server) {
  /** Resolves with the cookie that is set, else the one that was given. */
  async function asPerson(method, path, body, cookie) {
    const res = await fetch(server.base + path, { method, headers: { origin: server.base, 'content-type': 'application/json', ...(cookie ? { cookie } : {}) }, body: JSON.stringify(body) });
    if (!res.ok) throw new Error(`${method} ${path}: ${res.status} ${await res.text()}`);
    return res.headers.getSetCookie()[0]?.split(';')[0] ?? cookie;
  }
  const put = (path, body) => call(server.base, 'PUT', `/api/v1/${path}`, body);
  const title = (en, fa, zh) => ({ en, fa, zh });
  const [name, first, password] = ['supervisor', 'a password for the first day', 'night harbour lantern 42'];
  await asPerson('POST', '/api/v1/accounts', { name, role: 'supervisor', display_name: 'Supervisor', password: first, language: 'en' }, `${server.cookie.name}=${server.cookie.value}`);
  const given = await asPerson('POST', '/api/v1/session', { name, password: first });
  await asPerson('PUT', '/api/v1/account/password', { old: first, new: password }, given);
  const supervisor = await asPerson('POST', '/api/v1/session', { name, password });
  const publish = (kind, id, body = {}) => asPerson('POST', `/api/v1/${kind}/${id}/publish`, { delay_s: 0, ...body }, supervisor);
  await put('hazards/FLOOD', { type: 'Feature', geometry: { type: 'Polygon', coordinates: flood }, properties: { type: 'flood', name: secrets[2], description: secrets[0] } });
  await put('incidents/FIRE', point(-75.605, 39.776, { type: 'structure_fire', priority: '1', name: secrets[3], description: secrets[0], caller: { name: secrets[0], phone: secrets[1] } }));
  await put('shelters/SH1', point(-75.56, 39.76, { name: 'Brown School', type: 'school', status: 'open', capacity: 300, occupancy: 12, counted_at: new Date(Date.now() - 25 * 60_000).toISOString() }));
  await put('shelters/SH2', point(-75.5443, 39.7313, { name: 'Drowned Hall', type: 'school', status: 'open', capacity: 300, occupancy: 12 }));
  await put('units/E7', point(-75.55, 39.74, { name: secrets[3], type: 'engine' }));
  await publish('hazards', 'FLOOD', { title: title('River flood', 'سیل رودخانه', '河洪水'), advice: title('Go to higher ground.', 'به جای بلند بروید.', '前往高处。'), severity: 'extreme', valid_until: new Date(Date.now() + 5 * 3600_000).toISOString() });
  await publish('incidents', 'FIRE', { title: title('Building fire', 'آتش‌سوزی ساختمان', '建筑火灾'), severity: 'severe', delay_s: 60 });
  await publish('shelters', 'SH1');
  await publish('shelters', 'SH2');
  await until('three public things', async () => (await (await fetch(`${server.base}/public/v1/snapshot.json`)).json()).features?.length >= 3); // none when it has no time
  const withdraw = (kind, id) => asPerson('POST', `/api/v1/${kind}/${id}/withdraw`, {}, supervisor);
  return { publish, withdraw };
}
