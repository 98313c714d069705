// SPDX-License-Identifier: BSD-3-Clause
// Our HTTP/1.1 parser (h1_driver.c) against Node's, on messages bent at random. What must hold:
// whatever we accept, Node accepts, and both see the same method, target, version, fields, body,
// keep-alive, and the same last byte of each message. What we send on for it is one message for Node,
// of the same meaning. We may refuse more; see EXCEPTIONS for the little that we accept and Node does
// not.
//
// h1_against_node.js DRIVER SEED SECONDS [CASES]: until the time is over, or so many cases are done.
// A difference is printed with its case, and ends the run with 1.
'use strict';
const {spawn} = require('child_process');
const {HTTPParser, methods, allMethods} = process.binding('http_parser');
const METHODS = allMethods || methods;

const [driver, seedText, secondsText, casesText] = process.argv.slice(2);
const BATCH = 500;

// xorshift32: the same cases for the same seed everywhere.
let state = (Number(seedText) * 2654435761 + 1) >>> 0 || 1;
function random(below) {
  state ^= state << 13; state >>>= 0;
  state ^= state >>> 17;
  state ^= state << 5; state >>>= 0;
  return state % below;
}
const pick = (list) => list[random(list.length)];

const SEEDS = {
  q: [
    'GET / HTTP/1.1\r\nHost: a.example\r\n\r\n',
    'GET /a/b?c=d HTTP/1.1\r\nHost: a.example:81\r\nAccept: */*\r\nUser-Agent: x y/1\r\n\r\n',
    'POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /n HTTP/1.1\r\nHost: b\r\n\r\n',
    'POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /n HTTP/1.1\r\nHost: b\r\n\r\n',
    'POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\na;b=c;d="e f"\r\n0123456789\r\n00\r\nT: u\r\nV:\r\n\r\n',
    'PUT /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc',
    'GET http://a.example/b?c HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n',
    'OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-A\r\nX-A: 1\r\n\r\n',
    'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /2 HTTP/1.0\r\n\r\n',
    'GET /w HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n\x81\x05',
    'HEAD /h HTTP/1.1\r\nHost: [::1]:80\r\nCookie: a=b; c=d\r\nReferer: http://x/\r\n\r\n',
    '\r\nDELETE /d HTTP/1.1\r\nHost: a\r\nX-Empty:\r\nX-Tab:\ta\tb \r\n\r\nGET / HTTP/1.1\r\nHost: c\r\n\r\n',
  ],
  r: [
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: x\r\n\r\nhelloHTTP/1.1 204 No Content\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nHTTP/1.1 304 Not\r\nETag: "a"\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: u\r\n\r\n',
    'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end',
    'HTTP/1.0 404 Not Found\r\nContent-Type: text/html\r\n\r\n<html>',
    'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nokHTTP/1.0 200 OK\r\n\r\n',
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x81',
    'HTTP/1.1 502 \r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n.',
  ],
};

// What is put in: what parsers are known to differ about.
const PIECES = [
  '\r\n', '\n', '\r', '\r\n\r\n', '\n\n', ' ', '\t', '  ', '\0', '\x0b', '\x0c', '\x7f', '\x80', '\xff', '\xa0',
  ':', ';', ',', '=', '"', '\\', '/', '?', '#', '*', '%', '@', '[', ']', '_', '-', '+', '0', '1', '5', '9', 'a', 'A', 'x',
  '\r\n ', '\r\n\t', '\n ', ' :', ': ', ':\r\n', '0\r\n\r\n', '5\r\n', '0x', '00', '1e1', ', ', ';a', ';a=b', ';a="b"', ';a="\\""',
  'Content-Length: 5\r\n', 'Content-Length: 0\r\n', 'Content-Length: +5\r\n', 'content-length:5\r\n', 'Content-Length : 5\r\n',
  'Content-Length: 5, 5\r\n', 'Content-Length:\r\n', 'Content-Length: 18446744073709551617\r\n', 'Content_Length: 5\r\n',
  'Transfer-Encoding: chunked\r\n', 'Transfer-Encoding: identity\r\n', 'Transfer-Encoding: gzip, chunked\r\n',
  'Transfer-Encoding: chunked, identity\r\n', 'Transfer-Encoding: xchunked\r\n', 'Transfer-Encoding:\tchunked\r\n',
  'Transfer-Encoding : chunked\r\n', 'Transfer-Encoding: chunked \r\n', 'Transfer-Encoding: \x0bchunked\r\n',
  'transfer-encoding: CHUNKED\r\n', 'Transfer-Encoding: "chunked"\r\n', 'Transfer-Encoding:\r\n chunked\r\n',
  'Host: b.example\r\n', 'Host:\r\n', 'Connection: close\r\n', 'Connection: keep-alive\r\n', 'Connection: upgrade\r\n',
  'Connection: close, upgrade\r\n', 'Upgrade: h2c\r\n', 'Upgrade: websocket\r\n', 'Expect: 100-continue\r\n', 'Trailer: a\r\n',
  'HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', 'HTTP/0.9', 'HTTP/1.2', 'http/1.1', 'GET', 'POST', 'CONNECT', 'PRI', 'BREW', 'get',
  'GET /s HTTP/1.1\r\nHost: s\r\n\r\n', 'http://', 'https://a', 'a.example', '200', '204', '304', '100', '1000', 'fffffffffffffffff', '8000000000000000',
];

function bend(text) {
  for (let changes = 1 + random(4); changes > 0; changes--) {
    const at = random(text.length + 1);
    const lines = text.split('\r\n');
    const line = random(lines.length);
    switch (random(10)) {
      case 0: case 1: case 2: text = text.slice(0, at) + pick(PIECES) + text.slice(at); break;
      case 3: text = text.slice(0, at) + text.slice(at + 1 + random(3)); break;
      case 4: text = text.slice(0, at) + String.fromCharCode(random(256)) + text.slice(at + 1); break;
      case 5: case 6: // whole lines, where fields are
        lines.splice(Math.max(1, line), 0, pick(PIECES).replace(/\r\n$/, '')); text = lines.join('\r\n'); break;
      case 7: lines.splice(line, 1); text = lines.join('\r\n'); break;
      case 8: lines.splice(line, 0, lines[random(lines.length)]); text = lines.join('\r\n'); break;
      case 9: text = text.slice(0, at) + pick(PIECES) + text.slice(at + 1 + random(6)); break;
    }
  }
  return text;
}

function makeCase() {
  const kind = random(4) ? 'q' : 'r';
  let text = pick(SEEDS[kind]);
  if (random(3) === 0) text += pick(SEEDS[kind]);
  return {kind, bytes: Buffer.from(bend(text), 'latin1')};
}

// Node's reading of the bytes, given to it with a cut in front of and behind each of our ends.
class NodeReading {
  constructor(kind) {
    this.messages = []; // complete ones
    this.error = null;
    this.stopped = false; // upgraded: the rest is no HTTP
    this.begin();
    const parser = this.parser = new HTTPParser();
    parser.initialize(kind === 'q' ? HTTPParser.REQUEST : HTTPParser.RESPONSE, {}, 1 << 20);
    parser[HTTPParser.kOnMessageBegin | 0] = () => this.begin();
    parser[HTTPParser.kOnHeaders | 0] = (fields, url) => {
      if (this.headDone) return; // trailers
      this.fields.push(...fields);
      this.url += url;
    };
    parser[HTTPParser.kOnHeadersComplete | 0] =
      (major, minor, fields, method, url, status, reason, upgrade, keepAlive) => {
        this.fields.push(...(fields || []));
        this.headDone = true;
        Object.assign(this.now, {
          major, minor, upgrade: !!upgrade, keepAlive: !!keepAlive,
          method: kind === 'q' ? METHODS[method] : String(status),
          target: kind === 'q' ? this.url + (url || '') : reason || '',
        });
        return 0;
      };
    parser[HTTPParser.kOnBody | 0] = (bytes, from, size) => {
      this.body.push(Buffer.from(from === undefined ? bytes : bytes.slice(from, from + size)));
    };
    parser[HTTPParser.kOnMessageComplete | 0] = () => {
      this.now.fields = this.fields;
      this.now.body = Buffer.concat(this.body);
      this.messages.push(this.now);
      this.stopped = this.now.upgrade;
      this.begin();
    };
  }

  begin() {
    this.now = {};
    this.fields = [];
    this.url = '';
    this.body = [];
    this.headDone = false;
  }

  feed(bytes) {
    if (this.error || this.stopped || !bytes.length) return;
    const result = this.parser.execute(Buffer.from(bytes));
    if (result instanceof Error) this.error = result;
    else if (result < bytes.length) this.stopped = true;
  }

  finish() {
    if (this.error || this.stopped) return;
    const result = this.parser.finish();
    if (result instanceof Error) this.error = result;
  }
}

// What we accept and Node does not, each with the reason.
const EXCEPTIONS = [
  // Node knows a list of methods; we send on what is written as one (RFC 9110 section 16.1).
  {code: 'HPE_INVALID_METHOD', when: (ours) => !METHODS.includes(ours.method)},
  // No body follows these whatever their fields say (RFC 9112 section 6.3); llhttp 6 waits for one.
  {code: 'no end', when: (ours, kind) => kind === 'r' && (ours.method === '204' || ours.method === '304')},
  // A response's repeated Content-Length that says the same is one (RFC 9110 section 8.6); sent on is one.
  {code: 'HPE_UNEXPECTED_CONTENT_LENGTH', when: (ours, kind) => kind === 'r' && new Set(values(ours, 'content-length')).size === 1},
];

function isException(code, ours, kind) {
  return EXCEPTIONS.some((it) => it.code === code && it.when(ours, kind));
}

function values(message, name) {
  return message.fields.filter((_, i) => i % 2 && message.fields[i - 1].toLowerCase() === name);
}

function readOurs(answer) {
  const messages = [];
  let at = 0;
  while (answer.toString('latin1', at, at + 8) === 'message ') {
    const parts = [];
    for (at += 8; answer[at] !== 10;) {
      const colon = answer.indexOf(':', at);
      const length = Number(answer.toString('latin1', at, colon));
      parts.push(answer.subarray(colon + 1, colon + 1 + length));
      at = colon + 1 + length;
    }
    at++;
    const text = parts.map((item) => item.toString('latin1'));
    messages.push({
      begin: Number(text[0]), end: Number(text[1]), method: text[2], target: text[3], minor: Number(text[4]),
      keepAlive: text[5] === '1', upgrade: text[6] === '1', toEnd: text[7] === '1', path: text[8],
      sent: parts[9], body: parts[10], fields: text.slice(11),
    });
  }
  return {messages, ending: answer.toString('latin1', at).trim()};
}

const outcomes = {};
function count(name) {
  outcomes[name] = (outcomes[name] || 0) + 1;
}

// The difference between what we and Node read, or null.
function difference(item, ours) {
  const node = new NodeReading(item.kind);
  for (let i = 0; i < ours.messages.length; i++) {
    const mine = ours.messages[i];
    node.feed(item.bytes.subarray(mine.begin, mine.end - 1));
    if (node.messages.length > i && !node.stopped) return `message ${i} ends earlier for Node`;
    node.feed(item.bytes.subarray(mine.end - 1, mine.end));
    if (mine.toEnd) node.finish();
    if (node.messages.length <= i) {
      const why = node.error ? node.error.code : 'no end';
      if (isException(why, mine, item.kind)) return null;
      return `we accept message ${i}, Node does not: ${why} ${node.error ? node.error.reason : ''}`;
    }
    const its = node.messages[i];
    for (const name of ['method', 'target', 'minor'])
      if (its[name] !== mine[name])
        return `message ${i}: ${name} is ${JSON.stringify(mine[name])} and ${JSON.stringify(its[name])} for Node`;
    if (its.major !== 1) return `message ${i}: Node sees HTTP/${its.major}`;
    if (JSON.stringify(its.fields) !== JSON.stringify(mine.fields))
      return `message ${i}: fields ${JSON.stringify(mine.fields)}, for Node ${JSON.stringify(its.fields)}`;
    if (its.body.compare(mine.body)) return `message ${i}: body ${mine.body}, for Node ${its.body}`;
    // A tab behind the last word is a blank (RFC 9110 section 5.6.3), for Node part of the word.
    if (/\nconnection:[^\n]*\t/i.test(item.bytes.toString('latin1', mine.begin, mine.end))) return null;
    if (mine.upgrade && !its.upgrade) return `message ${i}: an upgrade for us alone`;
    // Upgrades other than to websocket we take for none, and do not send on.
    if (its.upgrade) return null;
    // With both close and keep-alive in HTTP/1.0 we close.
    if (its.keepAlive && mine.minor === 0 && /close/i.test(values(mine, 'connection'))) continue;
    if (its.keepAlive !== mine.keepAlive) return `message ${i}: keep-alive ${mine.keepAlive}, not for Node`;
  }
  if (ours.ending === 'more' || ours.ending === 'end') {
    const last = ours.messages.length ? ours.messages[ours.messages.length - 1].end : 0;
    node.feed(item.bytes.subarray(last));
    if (node.messages.length > ours.messages.length) return 'Node sees an end where we want more';
  }
  return null;
}

// The same of what we send on for a message; null: one message, of the same meaning.
function differenceSent(item, mine) {
  const node = new NodeReading(item.kind);
  node.feed(mine.sent.subarray(0, mine.sent.length - 1));
  if (node.messages.length) return 'sent on, it ends earlier for Node';
  node.feed(mine.sent.subarray(mine.sent.length - 1));
  if (mine.toEnd) node.finish();
  if (node.error || node.messages.length !== 1) {
    const why = node.error ? node.error.code : 'no end';
    // What is sent on has one Content-Length at most.
    if (why !== 'HPE_UNEXPECTED_CONTENT_LENGTH' && isException(why, mine, item.kind)) return null;
    return `sent on, Node does not accept it: ${why}`;
  }
  const its = node.messages[0];
  if (its.method !== mine.method || its.minor !== 1) return `sent on, it is ${its.method} for Node`;
  if (item.kind === 'q' && its.target !== mine.path) return `sent on, its target is ${its.target} for Node`;
  if (its.body.compare(mine.body)) return `sent on, its body is ${its.body} for Node`;
  if (its.upgrade !== mine.upgrade) return `sent on, it is ${its.upgrade ? 'an' : 'no'} upgrade for Node`;
  if (item.kind === 'q' && !its.keepAlive) return 'sent on, it asks to close';
  return null;
}

function readAnswers(stream) {
  let held = Buffer.alloc(0);
  const waiting = [];
  const serve = () => {
    while (waiting.length && held.length >= 4 && held.length >= 4 + held.readUInt32LE(0)) {
      const size = held.readUInt32LE(0);
      waiting.shift()(held.subarray(4, 4 + size));
      held = held.subarray(4 + size);
    }
  };
  stream.on('data', (bytes) => { held = held.length ? Buffer.concat([held, bytes]) : bytes; serve(); });
  return () => new Promise((resolve) => { waiting.push(resolve); serve(); });
}

async function main() {
  const child = spawn(driver, [], {stdio: ['pipe', 'pipe', 'inherit']});
  const answer = readAnswers(child.stdout);
  const until = Number(secondsText) ? Date.now() + Number(secondsText) * 1000 : Infinity;
  const most = casesText ? Number(casesText) : Infinity;
  let done = 0, accepted = 0, differences = 0;
  child.on('exit', (code, signal) => {
    if (code !== 0) { console.error(`the driver ended: ${code} ${signal}`); process.exit(1); }
  });
  while (done < most && Date.now() < until && differences < 10) {
    const batch = Array.from({length: BATCH}, makeCase);
    for (const item of batch) {
      const lead = Buffer.alloc(5);
      lead.write(item.kind);
      lead.writeUInt32LE(item.bytes.length, 1);
      child.stdin.write(Buffer.concat([lead, item.bytes]));
    }
    for (const item of batch) {
      const ours = readOurs(await answer());
      const what = difference(item, ours) ||
        ours.messages.map((mine) => differenceSent(item, mine)).find((it) => it);
      accepted += ours.messages.length;
      count(ours.ending);
      if (what) {
        differences++;
        console.log(`${what}\n  ${JSON.stringify(item.bytes.toString('latin1'))}`);
      }
    }
    done += batch.length;
  }
  child.stdin.end();
  console.log(`${done} cases, ${accepted} messages accepted by both, ${differences} differences, ` +
    `llhttp ${process.versions.llhttp}, seed ${seedText}`);
  console.log(Object.entries(outcomes).sort((a, b) => b[1] - a[1]).map(([name, n]) => `${name} ${n}`).join(', '));
  if (differences || !accepted) process.exitCode = 1;
}

main();
