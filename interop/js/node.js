// A node on @ethereumjs/devp2p as a puppet of a test: orders come as lines of
// JSON on stdin, events go to stdout. See ../puppet for what they mean.
//
//   node node.js [--key HEX] [--listen HOST] [--max N] [--protos a,b] [--base 4]
//
// --base 4 makes it speak version 4 of the base protocol, which has no snappy.
import { createHash, randomFillSync } from 'node:crypto'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { Common, Mainnet } from '@ethereumjs/common'
import { Peer, RLPx } from '@ethereumjs/devp2p'
import { RLP } from '@ethereumjs/rlp'
import { bytesToHex, hexToBytes, utf8ToBytes } from '@ethereumjs/util'
import { keccak256 } from 'ethereum-cryptography/keccak.js'
import { secp256k1 } from 'ethereum-cryptography/secp256k1.js'
import snappy from 'snappyjs'

const { values: flags } = parseArgs({
  options: {
    key: { type: 'string', default: '' },
    listen: { type: 'string', default: '127.0.0.1' },
    max: { type: 'string', default: '50' },
    protos: { type: 'string', default: 'MyProtocol,blob,flood' },
    base: { type: 'string', default: '5' },
  },
})

const noReason = -1
const lengths = { MyProtocol: 1, blob: 2, flood: 1 }
const talks = new Map() // "proto peer" -> Talk
const heard = new Set()

const tell = (event, more) => process.stdout.write(JSON.stringify({ node: 0, event, reason: noReason, ...more }) + '\n')
const plain = (bytes) => bytesToHex(bytes).slice(2)
const idOf = (publicKey) => plain(keccak256(publicKey))
const sum = (bytes) => createHash('sha256').update(bytes).digest('hex').slice(0, 16)
const list = (text) => RLP.encode([utf8ToBytes(text)])

function item(payload) {
  try {
    const decoded = RLP.decode(payload)
    return Array.isArray(decoded) && decoded.length === 1 ? Buffer.from(decoded[0]).toString() : ''
  } catch {
    return ''
  }
}

// A Talk is one protocol with one peer.
function talkOf(name) {
  return class Talk {
    constructor(version, peer, send) {
      this._peer = peer
      this._send = send
      this.name = name
      this.peerId = idOf(peer.getId())
      talks.set(`${name} ${this.peerId}`, this)
      tell('runs', { proto: name, peer: this.peerId })
    }

    write(code, payload) {
      const compressed = this._peer._hello.protocolVersion >= 5
      this._send(code, compressed ? snappy.compress(payload) : payload)
    }

    _handleMessage(code, payload) {
      const text = payload.length < 60 ? item(payload) : ''
      if (name === 'flood') return pass(text, this.peerId)
      tell('got', { peer: this.peerId, proto: name, code, size: payload.length, sum: sum(payload), text })
      if (name === 'MyProtocol' && text === 'foo') this.write(0, list('bar'))
    }
  }
}

function pass(text, from) {
  if (heard.has(text)) return
  heard.add(text)
  tell('flooded', { text, peer: from })
  for (const talk of talks.values()) {
    if (talk.name === 'flood' && talk.peerId !== from) talk.write(0, list(text))
  }
}

if (flags.base === '4') {
  const hello = Peer.prototype._handleHello
  Peer.prototype._handleHello = function (payload) {
    payload[0] = Uint8Array.of(Math.min(4, payload[0][0])) // what both speak
    hello.call(this, payload)
  }
  const send = Peer.prototype._sendMessage
  Peer.prototype._sendMessage = function (code, data) {
    if (code !== 0) return send.call(this, code, data)
    const ours = RLP.decode(data)
    ours[0] = Uint8Array.of(4)
    return send.call(this, code, RLP.encode(ours))
  }
}

// Of connections that end before the hellos RLPx says nothing.
const closed = Peer.prototype._onSocketClose
Peer.prototype._onSocketClose = function () {
  closed.call(this)
  if (!this._connected) tell('failed', { peer: this.getId() ? idOf(this.getId()) : '', reason: this._disconnectReason ?? noReason, why: 'closed' })
}

const key = flags.key === '' ? secp256k1.utils.randomPrivateKey() : hexToBytes('0x' + flags.key)
const rlpx = new RLPx(key, {
  maxPeers: Number(flags.max),
  clientId: utf8ToBytes('ethereumjs'),
  capabilities: flags.protos.split(',').map((name) => ({ name, version: 1, length: lengths[name] ?? 1, constructor: talkOf(name) })),
  common: new Common({ chain: Mainnet }),
  listenPort: null, // a 0 would be sent as the byte 00, which geth refuses
})

rlpx.events.on('peer:removed', (peer, reason) => {
  const id = idOf(peer.getId())
  for (const [at, talk] of talks) if (talk._peer === peer) talks.delete(at)
  tell('down', { peer: id, reason: reason ?? noReason })
})
rlpx.events.on('peer:error', (peer, err) => tell('trouble', { peer: peer.getId() ? idOf(peer.getId()) : '', why: String(err) }))
rlpx.events.on('error', (err) => tell('trouble', { why: String(err) }))
rlpx.events.on('listening', () => {
  const port = rlpx._server.address().port
  tell('listens', { enode: `enode://${plain(rlpx.id)}@${flags.listen}:${port}?discport=0` })
})

function peerOf(id) {
  const peer = rlpx.getPeers().find((p) => idOf(p.getId()) === id)
  if (peer === undefined) throw new Error(`no peer ${id}`)
  return peer
}

function talkWith(proto, id) {
  const talk = talks.get(`${proto} ${id}`)
  if (talk === undefined) throw new Error(`no such peer on ${proto}`)
  return talk
}

const orders = {
  dial({ enode }) {
    const url = new URL(enode.replace('enode:', 'http:'))
    const id = hexToBytes('0x' + url.username)
    const failed = (err) => tell('failed', { peer: idOf(id), why: String(err) })
    rlpx.connect({ id, address: url.hostname, tcpPort: Number(url.port) }).catch(failed)
  },
  send({ peer, text }) {
    talkWith('MyProtocol', peer).write(0, list(text))
  },
  blob({ peer, size, noise }) {
    const payload = new Uint8Array(size)
    if (noise) randomFillSync(payload)
    tell('sent', { peer, size, sum: sum(payload) })
    talkWith('blob', peer).write(1, payload)
  },
  flood({ text }) {
    pass(text, '')
  },
  drop({ peer }) {
    peerOf(peer).disconnect(0)
  },
  stop() {
    rlpx.destroy()
  },
}

createInterface({ input: process.stdin })
  .on('line', (text) => {
    const order = JSON.parse(text)
    try {
      orders[order.do](order)
    } catch (err) {
      tell('trouble', { peer: order.peer, why: `${order.do}: ${err}` })
    }
  })
  .on('close', () => process.exit(0))

rlpx.listen(0, flags.listen)
