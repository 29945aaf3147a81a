// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A client that says what bytes it likes, and no more: a server has to bear that.
public final class RawClient {
  private let descriptor: Int32
  /// Connected, or taken into the backlog.
  public let isConnected: Bool

  /// By TCP on 127.0.0.1.
  public init(port: UInt16) {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    (address.sin_family, address.sin_port) = (sa_family_t(AF_INET), port.bigEndian)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    isConnected = RawClient.connects(descriptor, &address)
  }

  public init(path: String) {
    descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    isConnected = RawClient.connects(descriptor, &address)
  }

  deinit { close(descriptor) }

  private static func connects<Address>(_ descriptor: Int32, _ address: inout Address) -> Bool {
    let size = socklen_t(MemoryLayout<Address>.size)
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) == 0 }
    }
  }

  /// False where the other end has gone.
  @discardableResult public func say(_ text: String) -> Bool { say(Array(text.utf8)) }

  @discardableResult public func say(_ bytes: [UInt8]) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      guard count > 0 else { return false }
      rest = rest.dropFirst(count)
    }
    return true
  }

  /// All that comes until the other end closes; nil where it has not after so many seconds.
  public func hear(seconds: Double = 20) -> String? {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    let end = Double(now.tv_sec) + Double(now.tv_nsec) / 1e9 + seconds
    while true {
      clock_gettime(CLOCK_MONOTONIC, &now)
      let left = end - Double(now.tv_sec) - Double(now.tv_nsec) / 1e9
      var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard left > 0, poll(&waiting, 1, Int32(left * 1000)) > 0 else { return nil }
      let count = recv(descriptor, &chunk, chunk.count, 0)
      // A reset is an end too, with what was heard before it.
      guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
      bytes += chunk[..<count]
    }
  }

  /// A port that nobody had a moment ago.
  public static func freePort() -> UInt16 {
    let probe = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    defer { close(probe) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(probe, $0, size)
        getsockname(probe, $0, &size)
      }
    }
    return UInt16(bigEndian: address.sin_port)
  }
}
