// What to write into the configuration of those who can send to this node.

export interface Listener {
  name: string
  address: string
  transport?: string
}

export interface Pointing {
  /** Where the node hears whoever looks at this page: `192.0.2.1:9060`. */
  where: string
  transport: string
  /** Lines to paste, by the name of the program. */
  lines: [string, string][]
}

/** The port of a node that listens nowhere else (`hepcat run` without a file). */
const USUAL_PORT = '9060'
const ANYWHERE = new Set(['0.0.0.0', '[::]'])

/** `hostname` is where this page was asked for: an address of the node that is reached, at least from here. */
export function pointing(listeners: Listener[], hostname: string): Pointing {
  // All four send datagrams; OpenSIPS alone can do without.
  const listener = listeners.find((one) => one.transport === 'udp') ?? listeners[0]
  const [, address = '0.0.0.0', port = USUAL_PORT] =
    /^(.*):(\d+)$/.exec(listener?.address ?? '') ?? ([] as string[])
  const host = ANYWHERE.has(address) ? hostname : address
  const where = `${host}:${port}`
  const transport = listener?.transport ?? 'udp'
  const openSips = `modparam("proto_hep", "hep_id", "[hepcat] ${where}; transport=${transport}; version=3")
modparam("tracer", "trace_id", "[tid]uri=hep:hepcat")`
  if (transport !== 'udp') return { where, transport, lines: [['OpenSIPS', openSips]] }
  return {
    where,
    transport,
    lines: [
      ['OpenSIPS', openSips],
      [
        'Kamailio',
        `modparam("siptrace", "duplicate_uri", "sip:${where}")
modparam("siptrace", "hep_mode_on", 1)
modparam("siptrace", "hep_version", 3)`,
      ],
      ['FreeSWITCH', `<param name="capture-server" value="udp:${where};hep=3;capture_id=100"/>`],
      ['Asterisk', `[general]\nenabled = yes\ncapture_address = ${where}\ncapture_id = 100`],
    ],
  }
}
