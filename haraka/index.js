// index.js - a plugin for Haraka: asks qmail-verify about each recipient.
//
// By UDP, with the extended packet of qmail-verify-packet(5): a number of 128 random bits for
// each question, and a fresh socket. What cannot be told is 451, never 550. See README.md.

'use strict'

const crypto = require('node:crypto')
const dgram = require('node:dgram')
const net = require('node:net')

const MAGIC = Buffer.from('qverify2')
const NONCE_SIZE = 16
const FIELD_CLIENT = 1
const FIELD_SENDER = 2
const REASONS_REMOTE = [1, 2, 15] // remote, exception; too-long, which may be anybody's
const POSITIONS_REMOTE = [1, 2] // the same in a plain answer
const ADDRESS_MAX = 1002

// milliseconds
const QUESTION = 5000
const SESSION = 15000
const IMPATIENT = 300
const AGAIN = [300, 1000, 2200]

const NO_MAILBOX = 'sorry, no mailbox here by that name. (#5.1.1)'
const INVALID_MAILBOXES = 'sorry, invalid mailbox name(s). (#5.1.1)'
const FAILURE = 'qv temporary failure (#4.3.0)'
const TOO_MANY = 'too many invalid recipients (#4.7.0)'

exports.register = function () {
  this.load_qmail_verify()
  this.register_hook('mail', 'on_mail')
  this.register_hook('rcpt', 'on_rcpt')
  this.register_hook('data', 'on_data')
}

// A mistake in the file is logged, and every recipient answered 451 until it is mended.
exports.load_qmail_verify = function () {
  const file = this.config.get('qmail_verify.ini', () => this.load_qmail_verify())
  try {
    this.verify = read_verify(file.main?.verify)
  } catch (error) {
    this.verify = { words: {}, servers: [], wrong: error.message }
    this.logerror(`config/qmail_verify.ini: ${error.message}`)
  }
}

// OK would have Haraka relay: of an address that nobody has judged only other plugins know
// whether its domain is ours.
function accept_unless_unknown(next, answer) {
  return answer.result === 'temporary' ? next() : next(OK)
}

// Haraka takes the code of what has this name; those of DENYSOFT and its like would be 450.
class DSN {
  constructor(code, reply) {
    this.code = code
    this.reply = reply
  }
}

// ---- what VERIFY says

function read_verify(text) {
  const words = {}
  const servers = []
  for (const item of String(text ?? '').split(',').map((one) => one.trim()).filter(Boolean)) {
    const maxbad = /^MAXBAD=(\d{1,6})$/i.exec(item)
    if (/^(STRICT|OBSERVE|OPEN|DEFER)$/i.test(item)) words[item.toUpperCase()] = true
    else if (maxbad && Number(maxbad[1]) > 0) words.MAXBAD = Number(maxbad[1])
    else servers.push(read_server(item))
  }
  if (!servers.length) servers.push(read_server(':'))
  return { words, servers }
}

function read_server(text) {
  const found = /^\[([0-9A-Fa-f:.]+)\](?::(\d{1,5}))?$/.exec(text) ?? /^(\d+\.\d+\.\d+\.\d+|localhost)?(?::(\d{0,5}))?$/.exec(text)
  const ip = !found?.[1] || found[1] === 'localhost' ? '127.0.0.1' : found[1]
  const port = Number(found?.[2] || 11113)
  if (!found || !net.isIP(ip) || port < 1 || port > 65535) {
    throw new Error(`verify: ${text}: give ip, ip:port, :port or [ipv6]:port, or STRICT, OBSERVE, OPEN, DEFER, MAXBAD=n`)
  }
  return { text, ip, port, type: net.isIPv6(ip) ? 'udp6' : 'udp4' }
}

// ---- hooks

function session_of(connection) {
  connection.notes.qmail_verify ??= { waited: 0, impatient: false, bad: 0, invalid: false, extended: new Set() }
  return connection.notes.qmail_verify
}

exports.on_mail = function (next, connection) {
  session_of(connection).invalid = false // a clean slate for each transaction
  next()
}

exports.on_rcpt = async function (next, connection, params) {
  if (!connection?.transaction || connection.relaying) return next()
  const { words } = this.verify
  const session = session_of(connection)
  if (words.MAXBAD && session.bad >= words.MAXBAD && !words.OBSERVE && !words.DEFER) {
    connection.lognotice(this, 'too many invalid recipients')
    return next(DENYSOFTDISCONNECT, new DSN(421, TOO_MANY))
  }
  const address = address_of(params[0])
  const answer = await this.ask(connection, address)
  const shown = `${safe(address)}: ${answer.why}`
  if (answer.result === 'valid') {
    connection.logdebug(this, `valid ${shown}`)
    return answer.remote ? next() : next(OK)
  }
  if (answer.result === 'invalid') ++session.bad
  if (words.OBSERVE) {
    const else_code = answer.result === 'invalid' ? 550 : 451
    connection.lognotice(this, `${answer.result} ${shown}; accepted all the same (OBSERVE), else ${else_code}`)
    return accept_unless_unknown(next, answer)
  }
  if (answer.result === 'temporary' && words.OPEN && !answer.answered) {
    connection.lognotice(this, `temporary ${shown}; accepted unverified (OPEN)`)
    return accept_unless_unknown(next, answer)
  }
  if (answer.result === 'temporary') {
    connection.lognotice(this, `temporary ${shown}`)
    return next(DENYSOFT, new DSN(451, FAILURE))
  }
  if (words.DEFER) {
    connection.lognotice(this, `invalid ${shown}`)
    session.invalid = true
    return next(OK)
  }
  connection.lognotice(this, `refused ${shown}`)
  next(DENY, NO_MAILBOX)
}

exports.on_data = function (next, connection) {
  const { words } = this.verify
  const session = session_of(connection)
  if (words.OBSERVE || !words.DEFER || !session.invalid || connection.relaying) return next()
  if (words.MAXBAD && session.bad >= words.MAXBAD) return next(DENYSOFTDISCONNECT, new DSN(421, TOO_MANY))
  connection.lognotice(this, 'an invalid recipient: the message is refused')
  next(DENY, INVALID_MAILBOXES)
}

// The address as it stands in the envelope: a method in older versions, in newer ones a property.
function address_of(path) {
  if (!path) return ''
  return String((typeof path.address === 'function' ? path.address() : path.address) ?? '')
}

// As it may stand in a log: one word, printable ASCII.
function safe(text) {
  const bytes = Buffer.from(String(text)).toString('latin1')
  return bytes.replace(/\\/g, '\\\\').replace(/[^\x21-\x7e]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

// ---- one question

function field(type, value) {
  const head = Buffer.from([type, value.length >> 8, value.length & 255])
  return Buffer.concat([head, value])
}

// The bytes of an IP address; null: it is none.
function ip_bytes(text) {
  const ip = String(text ?? '').replace(/^::ffff:(?=\d+\.)/i, '')
  if (net.isIPv4(ip)) return Buffer.from(ip.split('.').map(Number))
  if (!net.isIPv6(ip) || ip.includes('%')) return null
  const [head, tail] = ip.split('::')
  const groups = (part) => (part ? part.split(':') : [])
  const front = groups(head)
  const back = groups(tail)
  const middle = Array(tail === undefined ? 0 : 8 - front.length - back.length).fill('0')
  const all = [...front, ...middle, ...back].map((group) => parseInt(group, 16))
  return all.length === 8 && !all.some(Number.isNaN) ? Buffer.from(all.flatMap((n) => [n >> 8, n & 255])) : null
}

function write_question(address, nonce, client, sender) {
  const parts = [Buffer.from(address), Buffer.from([0]), MAGIC, nonce]
  if (client) parts.push(field(FIELD_CLIENT, client))
  if (sender !== null && Buffer.byteLength(sender) <= ADDRESS_MAX) parts.push(field(FIELD_SENDER, Buffer.from(sender)))
  return Buffer.concat(parts)
}

// What an answer says; null where it is none.
function read_answer(datagram, nonce) {
  if (!datagram.length) return null
  const result = datagram[0] & 15
  const position = datagram[0] >> 4
  const nul = datagram.indexOf(0, 1)
  const user = datagram.subarray(1, nul === -1 ? datagram.length : nul)
  const rest = nul === -1 ? Buffer.alloc(0) : datagram.subarray(nul + 1)
  const words = `position ${position}${user.length ? `, user ${safe(user.toString('latin1'))}` : ''}`
  if (!rest.subarray(0, MAGIC.length).equals(MAGIC)) {
    return { result: result ? 'invalid' : 'valid', remote: POSITIONS_REMOTE.includes(position), extended: false, words }
  }
  const head = MAGIC.length + NONCE_SIZE
  if (rest.length < head + 2 || !rest.subarray(MAGIC.length, head).equals(nonce) || result > 2) return null
  const reason = rest.readUInt16BE(head)
  const results = ['valid', 'invalid', 'temporary']
  return { result: results[result], remote: REASONS_REMOTE.includes(reason), extended: true, words: `reason ${reason}, ${words}` }
}

const temporary = (why, answered = false) => ({ result: 'temporary', why, answered })

// Resolves, always.
exports.ask = async function (connection, address) {
  const session = session_of(connection)
  const { words, servers, wrong } = this.verify
  if (wrong) return temporary(wrong)
  if (!address || address.includes('\0')) return temporary('not asked: no address')
  if (Buffer.byteLength(address) > ADDRESS_MAX) return { result: 'valid', remote: true, why: 'longer than qmail-queue takes' }
  const left = SESSION - session.waited
  if (left <= 0) return temporary(`not asked: this connection has waited for ${SESSION / 1000} seconds`)
  const patience = Math.min(left, session.impatient || words.OBSERVE ? IMPATIENT : QUESTION)
  const mail_from = connection.transaction?.mail_from
  const sender = mail_from ? address_of(mail_from) : null
  const begun = performance.now()
  const asked = new question(servers, words, session)
  const client = ip_bytes(connection.remote?.ip)
  const answer = await asked.begin((nonce) => write_question(address, nonce, client, sender === '<>' ? '' : sender), patience)
  session.waited += performance.now() - begun
  session.impatient = !answer.answered
  return answer
}

// The servers in order, each when those before it have been silent for long enough or have
// refused; until one answers or time is over.
class question {
  constructor(servers, words, session) {
    this.parties = servers.map((server) => ({ server, sends: 0, timers: [] }))
    this.words = words
    this.session = session
    this.next = 0
    this.timers = []
  }

  begin(write, patience) {
    this.nonce = crypto.randomBytes(NONCE_SIZE)
    this.datagram = write(this.nonce)
    return new Promise((resolve) => {
      this.resolve = resolve
      this.later(patience, () => this.give_up())
      this.ask_next()
    })
  }

  later(ms, action) {
    this.timers.push(setTimeout(action, ms))
  }

  ask_next() {
    if (this.done || this.next >= this.parties.length) return this.end_if_nobody_is_left()
    const party = this.parties[this.next++]
    const turn = this.next
    this.send(party)
    this.later(IMPATIENT, () => this.next === turn && this.next < this.parties.length && this.ask_next())
  }

  // A fresh socket for each question: a late answer to another one does not find it.
  open(party) {
    const socket = dgram.createSocket(party.server.type)
    party.socket = socket
    socket.on('message', (datagram) => this.hear(party, datagram))
    socket.on('error', (error) => this.refused(party, error))
    socket.connect(party.server.port, party.server.ip, (error) => {
      if (error) return this.refused(party, error)
      socket.send(this.datagram, (failed) => failed && this.refused(party, failed))
    })
  }

  send(party) {
    if (this.done) return
    party.due = false
    if (!party.first) party.first = performance.now()
    if (party.socket) party.socket.send(this.datagram, (failed) => failed && this.refused(party, failed))
    else this.open(party)
    this.again(party)
  }

  // Once more, at its time: a datagram may be lost, or a server be starting.
  again(party) {
    const step = AGAIN[party.sends++]
    if (step === undefined) return
    party.due = true
    this.later(Math.max(party.first + step - performance.now(), 0), () => !party.told && this.send(party))
  }

  refused(party, error) {
    if (this.done || !party.socket) return
    party.error = error.code ?? error.message
    close(party.socket)
    party.socket = null
    if (this.next < this.parties.length) this.ask_next()
    else this.end_if_nobody_is_left()
  }

  hear(party, datagram) {
    const answer = this.done ? null : read_answer(datagram, this.nonce)
    if (!answer) return
    const name = party.server.text
    if (!answer.extended && (this.words.STRICT || this.session.extended.has(name))) return
    if (answer.extended) this.session.extended.add(name)
    answer.why = `${answer.words}, server ${name}`
    answer.answered = true
    if (answer.result !== 'temporary') return this.finish(answer)
    party.told = true
    this.temporary = temporary(`${answer.why}, which cannot tell now`, true)
    if (this.next < this.parties.length) this.ask_next()
    else this.end_if_nobody_is_left()
  }

  end_if_nobody_is_left() {
    if (this.next >= this.parties.length && this.parties.every((p) => p.told || (!p.socket && !p.due))) this.give_up()
  }

  give_up() {
    const silent = this.parties.filter((p) => p.sends).map((p) => `${p.server.text}: ${p.error ?? 'no answer'}`)
    this.finish(this.temporary ?? temporary(silent.join('; ')))
  }

  finish(answer) {
    if (this.done) return
    this.done = true
    this.timers.forEach(clearTimeout)
    this.parties.forEach((party) => party.socket && close(party.socket))
    this.resolve(answer)
  }
}

function close(socket) {
  socket.removeAllListeners('message')
  socket.on('error', () => {})
  try {
    socket.close()
  } catch {
    // it was not open yet
  }
}

exports.internals = { read_verify, read_answer, write_question, ip_bytes, safe }
