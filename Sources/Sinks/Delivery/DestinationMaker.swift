// SPDX-License-Identifier: Apache-2.0

/// Makes what a setting asks for; each opens or connects when its turn comes.
enum DestinationMaker {
  static func make(_ settings: DestinationSettings) -> Destination {
    switch settings.kind {
    case .stdout: return PipeDestination()
    case .file(let file): return FileDestination(file)
    case .stream(let address): return StreamDestination(address) { $0.bytes }
    case .journald(let path):
      return DatagramDestination(.unix(path), takesDescriptors: true, encode: JournalEntry.datagram)
    case .syslog(let syslog): return make(syslog)
    case .http(let http): return HTTPDestination(http)
    }
  }

  private static func make(_ settings: SyslogSettings) -> Destination {
    let message = SyslogMessage(settings: settings)
    switch settings.transport {
    case .unixDatagram(let path): return DatagramDestination(.unix(path), encode: message.bytes)
    case .udp(let host, let port): return DatagramDestination(.network(host: host, port: port), encode: message.bytes)
    case .tcp(let host, let port):
      return StreamDestination(.network(host: host, port: port), frame: message.counted)
    }
  }
}
