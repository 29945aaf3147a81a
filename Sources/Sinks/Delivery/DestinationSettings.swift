// SPDX-License-Identifier: Apache-2.0

/// One destination as it was configured: where lines go, and which.
package struct DestinationSettings: Hashable, Sendable {
  package enum Kind: Hashable, Sendable {
    case stdout
    case file(FileDestinationSettings)
    /// NDJSON over a connection that is made again where it breaks.
    case stream(SocketAddress)
    /// The path of journald's socket.
    case journald(String)
    case syslog(SyslogSettings)
    case http(HTTPSettings)
  }

  /// What is wrong with one, as a fact that the command words.
  package enum Problem: Error, Hashable, Sendable {
    /// Letters, digits, `.`, `_` and `-`, 64 at most: it is told in events and metrics, and kept with the place.
    case name(String)
    case duplicateName(String)
    case relativePath(String)
    case longPath(String)
    case host(String)
    case port(Int)
    case facility(Int)
    case url(String)
    case header(String)
    /// A number that is too small or too large: of what, and the least and the most.
    case outOfRange(String, Int64, ClosedRange<Int64>)
    /// Not within a pod: neither a URL was given nor KUBERNETES_SERVICE_HOST is set.
    case notInPod
    case unknownType(String)
  }

  /// What events, metrics and the file of places call it; unique.
  package var name: String
  package var kind: Kind
  package var filter: DestinationFilter

  package init(name: String, kind: Kind, filter: DestinationFilter = DestinationFilter()) {
    self.name = name
    self.kind = kind
    self.filter = filter
  }

  /// What cannot work whatever the host is like: for `daemon --check-config`, and again before anything is made.
  package func problem() -> Problem? {
    let bytes = name.utf8
    guard (1...64).contains(bytes.count), bytes.allSatisfy({ DestinationSettings.isNameByte($0) }) else {
      return .name(name)
    }
    if let type = filter.types.first(where: { !DestinationFilter.knownTypes.contains($0) }) {
      return .unknownType(type)
    }
    switch kind {
    case .stdout: return nil
    case .file(let file): return file.problem()
    case .stream(let address): return address.problem()
    case .journald(let path): return SocketAddress.unix(path).problem()
    case .syslog(let syslog): return syslog.problem()
    case .http(let http): return http.problem()
    }
  }

  /// The same of a list: the first problem, with the name that was given to it.
  package static func problem(of all: [DestinationSettings]) -> (name: String, problem: Problem)? {
    var names: Set<String> = []
    for settings in all {
      if let problem = settings.problem() { return (settings.name, problem) }
      if !names.insert(settings.name).inserted { return (settings.name, .duplicateName(settings.name)) }
    }
    return nil
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"): true
    default: false
    }
  }
}

/// A file of lines, and when a new one is begun.
package struct FileDestinationSettings: Hashable, Sendable {
  package static let keepRange: ClosedRange<Int64> = 0...1000
  /// Absolute: a daemon has no folder of its own.
  package var path: String
  /// A line that would make it larger goes into a new file; nil: never for its size.
  package var bytesMax: Int64?
  /// Age of the first line, at which a new one is begun; nil: never for its age.
  package var secondsMax: Int64?
  /// Older files that are kept, as PATH.1 (the latest) and so on.
  package var keep: Int

  package init(path: String, bytesMax: Int64? = nil, secondsMax: Int64? = nil, keep: Int = 5) {
    self.path = path
    self.bytesMax = bytesMax
    self.secondsMax = secondsMax
    self.keep = keep
  }

  func problem() -> DestinationSettings.Problem? {
    guard path.hasPrefix("/") else { return .relativePath(path) }
    guard path.utf8.count < 4096, !path.utf8.contains(0) else { return .longPath(path) }
    if let bytesMax, bytesMax < 4096 { return .outOfRange("bytes", bytesMax, 4096...Int64.max) }
    if let secondsMax, secondsMax < 1 { return .outOfRange("seconds", secondsMax, 1...Int64.max) }
    let range = FileDestinationSettings.keepRange
    return range.contains(Int64(keep)) ? nil : .outOfRange("files", Int64(keep), range)
  }
}

/// Where a socket connects to.
package enum SocketAddress: Hashable, Sendable {
  /// The path of a Unix socket.
  case unix(String)
  /// A number or a name, and a port.
  case network(host: String, port: Int)

  /// Source: unix(7), sun_path.
  private static let unixBytesMax = 107

  func problem() -> DestinationSettings.Problem? {
    switch self {
    case .unix(let path):
      guard path.hasPrefix("/") else { return .relativePath(path) }
      return path.utf8.count <= SocketAddress.unixBytesMax && !path.utf8.contains(0) ? nil : .longPath(path)
    case .network(let host, let port):
      guard (1...65535).contains(port) else { return .port(port) }
      // It is an argument of getent(1): nothing that could be an option.
      let isName = (1...253).contains(host.utf8.count) && host.utf8.first != UInt8(ascii: "-")
      return isName && host.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f } ? nil : .host(host)
    }
  }
}

/// Syslog by RFC 5424: how it is carried, and what the message holds.
package struct SyslogSettings: Hashable, Sendable {
  package enum Transport: Hashable, Sendable {
    /// The datagram socket of the host's own syslog, /dev/log.
    case unixDatagram(String)
    case udp(host: String, port: Int)
    /// With octet counting. Source: RFC 6587, 3.4.1.
    case tcp(host: String, port: Int)
  }
  package enum Body: String, CaseIterable, Sendable {
    /// The sentence; the fields that matter are structured data.
    case text
    /// The whole line.
    case json
  }
  package var transport: Transport
  /// 0 to 23; 3 is `daemon`. Source: RFC 5424, 6.2.1.
  package var facility: Int
  package var body: Body

  package init(transport: Transport, facility: Int = 3, body: Body = .text) {
    self.transport = transport
    self.facility = facility
    self.body = body
  }

  func problem() -> DestinationSettings.Problem? {
    guard (0...23).contains(facility) else { return .facility(facility) }
    return switch transport {
    case .unixDatagram(let path): SocketAddress.unix(path).problem()
    case .udp(let host, let port), .tcp(let host, let port): SocketAddress.network(host: host, port: port).problem()
    }
  }
}
