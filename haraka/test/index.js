// index.js - questions, answers and settings of the plugin, and servers on loopback.

'use strict'

const assert = require('node:assert')
const dgram = require('node:dgram')
const test = require('node:test')

for (const [name, value] of Object.entries({ OK: 906, DENY: 902, DENYSOFT: 903, DENYSOFTDISCONNECT: 905 })) global[name] = value

const plugin = require('../index.js')
const { read_verify, read_answer, write_question, ip_bytes, safe } = plugin.internals

const nonce = Buffer.alloc(16, 7)
const extended = (status, user, of, reason) =>
  Buffer.concat([Buffer.from([status]), Buffer.from(user), Buffer.from([0]), Buffer.from('qverify2'), of, Buffer.from([0, reason])])

test('VERIFY is read', () => {
  assert.deepStrictEqual(read_verify('').servers.map((s) => [s.ip, s.port]), [['127.0.0.1', 11113]])
  const some = read_verify(' strict , 192.0.2.1 , :5, [::1]:6 ,MAXBAD=2')
  assert.deepStrictEqual(some.words, { STRICT: true, MAXBAD: 2 })
  assert.deepStrictEqual(some.servers.map((s) => [s.ip, s.port, s.type]), [
    ['192.0.2.1', 11113, 'udp4'], ['127.0.0.1', 5, 'udp4'], ['::1', 6, 'udp6'],
  ])
  for (const wrong of ['host.example', '/path', '1.2.3.4:0', '1.2.3.4:70000', '300.1.1.1', 'MAXBAD=0']) {
    assert.throws(() => read_verify(wrong), /give ip/, wrong)
  }
})

test('addresses as bytes', () => {
  assert.deepStrictEqual([...ip_bytes('192.0.2.7')], [192, 0, 2, 7])
  assert.deepStrictEqual([...ip_bytes('::ffff:192.0.2.7')], [192, 0, 2, 7])
  assert.strictEqual(ip_bytes('2001:db8::7').toString('hex'), '20010db8000000000000000000000007')
  assert.strictEqual(ip_bytes('1:2:3:4:5:6:7:8').toString('hex'), '00010002000300040005000600070008')
  for (const none of ['', 'unknown', undefined, 'fe80::1%eth0']) assert.strictEqual(ip_bytes(none), null)
})

test('a question', () => {
  const bytes = write_question('joe@example.org', nonce, ip_bytes('192.0.2.7'), '')
  assert.strictEqual(bytes.toString('latin1'), `joe@example.org\0qverify2${'\x07'.repeat(16)}\x01\0\x04\xc0\0\x02\x07\x02\0\0`)
  assert.strictEqual(write_question('a', nonce, null, null).toString('latin1'), `a\0qverify2${'\x07'.repeat(16)}`)
})

test('answers', () => {
  assert.strictEqual(read_answer(Buffer.alloc(0), nonce), null)
  assert.strictEqual(read_answer(extended(0xa0, 'joe', nonce, 5), nonce).result, 'valid')
  assert.strictEqual(read_answer(extended(0xe1, 'joe', nonce, 16), nonce).result, 'invalid')
  assert.strictEqual(read_answer(extended(0x32, '', nonce, 20), nonce).result, 'temporary')
  assert.strictEqual(read_answer(extended(0x10, '', nonce, 1), nonce).remote, true)
  assert.strictEqual(read_answer(extended(0xa0, 'joe', Buffer.alloc(16, 8), 5), nonce), null)
  assert.strictEqual(read_answer(extended(0xa3, 'joe', nonce, 5), nonce), null)
  assert.strictEqual(read_answer(extended(0xa0, 'joe', nonce, 5).subarray(0, -1), nonce), null)
  assert.deepStrictEqual(read_answer(Buffer.from('\xe1joe', 'latin1'), nonce),
    { result: 'invalid', remote: false, extended: false, words: 'position 14, user joe' })
})

test('nothing foreign reaches a terminal', () => {
  assert.strictEqual(safe('a b\x1b\\\n\xe9'), 'a\\x20b\\x1b\\\\\\x0a\\xc3\\xa9')
})

// ---- with servers

function connection() {
  return {
    notes: {}, relaying: false, remote: { ip: '192.0.2.7' }, transaction: { mail_from: { address: () => 'a@b' } },
    lognotice() {}, logdebug() {},
  }
}
function loaded(verify) {
  return Object.assign(Object.create(plugin), { verify: read_verify(verify) })
}
async function server(reply) {
  const socket = dgram.createSocket('udp4')
  await new Promise((resolve) => socket.bind(0, '127.0.0.1', resolve))
  socket.on('message', (question, from) => {
    const at = question.indexOf('qverify2') + 8
    const answer = reply(question.subarray(at, at + 16), question)
    if (answer) socket.send(answer, from.port, from.address)
  })
  return { port: socket.address().port, close: () => socket.close() }
}
const rcpt = (verify, on) => new Promise((resolve) => loaded(verify).on_rcpt((...said) => resolve(said), on, [{ address: () => 'joe@example.org' }]))

test('valid, invalid, temporary, remote', async () => {
  for (const [status, reason, expected] of [[0xa0, 5, OK], [0xe1, 16, DENY], [0x32, 20, DENYSOFT], [0x10, 1, undefined], [0xf0, 15, undefined]]) {
    const one = await server((of) => extended(status, 'joe', of, reason))
    const [code, message] = await rcpt(`STRICT,:${one.port}`, connection())
    one.close()
    assert.strictEqual(code, expected)
    if (code === DENYSOFT) assert.deepStrictEqual([message.constructor.name, message.code], ['DSN', 451])
  }
})

test('the next server is asked where one is silent or refuses', async () => {
  const silent = await server(() => null)
  const gone = await server(() => null)
  gone.close()
  const good = await server((of) => extended(0xe1, 'joe', of, 16))
  assert.strictEqual((await rcpt(`STRICT,:${silent.port},:${good.port}`, connection()))[0], DENY)
  assert.strictEqual((await rcpt(`STRICT,:${gone.port},:${good.port}`, connection()))[0], DENY)
  silent.close()
  good.close()
})

test('a plain answer counts, but not under STRICT, nor from a server of version 2', async () => {
  const plain = await server(() => Buffer.from('\xe1joe', 'latin1'))
  assert.strictEqual((await rcpt(`:${plain.port}`, connection()))[0], DENY)
  const impatient = connection()
  impatient.notes.qmail_verify = { waited: 0, impatient: true, bad: 0, invalid: false, extended: new Set([`:${plain.port}`]) }
  assert.strictEqual((await rcpt(`:${plain.port}`, impatient))[0], DENYSOFT)
  impatient.notes.qmail_verify.impatient = true
  assert.strictEqual((await rcpt(`STRICT,:${plain.port}`, impatient))[0], DENYSOFT)
  plain.close()
})

test('OBSERVE, OPEN, DEFER, MAXBAD, relaying', async () => {
  const bad = await server((of) => extended(0xe1, 'joe', of, 16))
  const gone = await server(() => null)
  gone.close()
  assert.strictEqual((await rcpt(`OBSERVE,:${bad.port}`, connection()))[0], OK)
  // whose domain it is nobody knows: OK would relay
  assert.strictEqual((await rcpt(`OPEN,:${gone.port}`, connection()))[0], undefined)
  assert.strictEqual((await rcpt(`OBSERVE,:${gone.port}`, connection()))[0], undefined)
  assert.strictEqual((await rcpt(`OPEN,:${bad.port}`, connection()))[0], DENY)
  const session = connection()
  assert.strictEqual((await rcpt(`MAXBAD=1,:${bad.port}`, session))[0], DENY)
  assert.strictEqual((await rcpt(`MAXBAD=1,:${bad.port}`, session))[0], DENYSOFTDISCONNECT)
  const deferred = connection()
  assert.strictEqual((await rcpt(`DEFER,:${bad.port}`, deferred))[0], OK)
  const data = () => new Promise((resolve) => loaded(`DEFER,:${bad.port}`).on_data((...said) => resolve(said), deferred))
  assert.strictEqual((await data())[0], DENY)
  loaded('DEFER').on_mail(() => {}, deferred)
  assert.strictEqual((await data())[0], undefined)
  assert.strictEqual((await rcpt(`:${bad.port}`, { ...connection(), relaying: true }))[0], undefined)
  bad.close()
})

test('the client and the sender are told', async () => {
  let asked
  const one = await server((of, question) => ((asked = question), extended(0xa0, 'joe', of, 5)))
  await rcpt(`:${one.port}`, connection())
  one.close()
  assert.ok(asked.includes(Buffer.from([1, 0, 4, 192, 0, 2, 7])) && asked.includes(Buffer.from('\x02\0\x03a@b')))
})
