// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Where metrics are offered: `127.0.0.1:9755`, `[::1]:9755`, or `unix:/run/oomwitness/metrics.sock`.
package enum MetricAddress: Hashable, Sendable {
  /// The address in network order: 4 bytes, or 16.
  case internet(host: [UInt8], port: UInt16)
  case unix(String)

  /// Source: unix(7), sun_path with its NUL.
  private static let pathBytesMax = 107
  /// Beside those of others: github.com/prometheus/prometheus/wiki/Default-port-allocations.
  package static let standard = MetricAddress.internet(host: [127, 0, 0, 1], port: 9755)

  /// Nil where it is none of them: names are not resolved, since a name can come to mean another host.
  package init?(_ text: String) {
    if text.hasPrefix("unix:") {
      let path = String(text.dropFirst("unix:".count))
      guard path.hasPrefix("/"), path.utf8.count <= MetricAddress.pathBytesMax, !path.utf8.contains(0) else {
        return nil
      }
      self = .unix(path)
      return
    }
    guard let colon = text.lastIndex(of: ":") else { return nil }
    let digits = text[text.index(after: colon)...]
    guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(digits), port > 0 else {
      return nil
    }
    var host = String(text[..<colon])
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = String(host.dropFirst().dropLast())
      var address = in6_addr()
      guard inet_pton(AF_INET6, host, &address) == 1 else { return nil }
      self = .internet(host: withUnsafeBytes(of: &address) { Array($0) }, port: port)
    } else {
      var address = in_addr()
      guard inet_pton(AF_INET, host, &address) == 1 else { return nil }
      self = .internet(host: withUnsafeBytes(of: &address) { Array($0) }, port: port)
    }
  }

  /// Nobody on another host can reach it.
  package var isLocal: Bool {
    switch self {
    case .unix: true
    case .internet(let host, _): host.count == 4 ? host[0] == 127 : host == Array(repeating: 0, count: 15) + [1]
    }
  }

  /// As people write it.
  package var text: String {
    guard case .internet(let host, let port) = self else {
      if case .unix(let path) = self { return "unix:" + path }
      return ""
    }
    var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    inet_ntop(host.count == 4 ? AF_INET : AF_INET6, host, &buffer, socklen_t(buffer.count))
    let shown = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return host.count == 4 ? "\(shown):\(port)" : "[\(shown)]:\(port)"
  }

  /// Calls `body` with the kernel's form of it.
  func withSocketAddress<Value>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Value) -> Value {
    var storage = sockaddr_storage()
    return withUnsafeMutableBytes(of: &storage) { bytes in
      let size: Int
      switch self {
      case .internet(let host, let port) where host.count == 4:
        var address = sockaddr_in()
        (address.sin_family, address.sin_port) = (sa_family_t(AF_INET), port.bigEndian)
        withUnsafeMutableBytes(of: &address.sin_addr) { $0.copyBytes(from: host) }
        bytes.storeBytes(of: address, as: sockaddr_in.self)
        size = MemoryLayout<sockaddr_in>.size
      case .internet(let host, let port):
        var address = sockaddr_in6()
        (address.sin6_family, address.sin6_port) = (sa_family_t(AF_INET6), port.bigEndian)
        withUnsafeMutableBytes(of: &address.sin6_addr) { $0.copyBytes(from: host) }
        bytes.storeBytes(of: address, as: sockaddr_in6.self)
        size = MemoryLayout<sockaddr_in6>.size
      case .unix(let path):
        bytes.storeBytes(of: sa_family_t(AF_UNIX), as: sa_family_t.self)
        let start = MemoryLayout<sockaddr_un>.offset(of: \.sun_path)!
        UnsafeMutableRawBufferPointer(rebasing: bytes[start...]).copyBytes(from: path.utf8)
        size = start + path.utf8.count + 1
      }
      return body(bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(size))
    }
  }

  var family: Int32 {
    switch self {
    case .unix: AF_UNIX
    case .internet(let host, _): host.count == 4 ? AF_INET : AF_INET6
    }
  }
}
