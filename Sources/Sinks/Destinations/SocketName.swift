// SPDX-License-Identifier: Apache-2.0
import Glibc

/// An address as the kernel takes it.
struct SocketName {
  let family: Int32
  private let bytes: [UInt8]

  /// A Unix socket's path, which was checked to fit. Source: unix(7).
  init(path: String) {
    family = AF_UNIX
    let begin = MemoryLayout<sockaddr_un>.offset(of: \.sun_path)!
    var bytes = withUnsafeBytes(of: sa_family_t(AF_UNIX)) { Array($0) }
    bytes += [UInt8](repeating: 0, count: begin - bytes.count) + Array(path.utf8) + [0]
    self.bytes = bytes
  }

  /// An address in digits; nil where it is a name. Source: inet_pton(3).
  init?(host: String, port: Int) {
    var four = sockaddr_in()
    var six = sockaddr_in6()
    let order = in_port_t(port).bigEndian
    if inet_pton(AF_INET, host, &four.sin_addr) == 1 {
      four.sin_family = sa_family_t(AF_INET)
      four.sin_port = order
      (family, bytes) = (AF_INET, withUnsafeBytes(of: four) { Array($0) })
    } else if inet_pton(AF_INET6, host, &six.sin6_addr) == 1 {
      six.sin6_family = sa_family_t(AF_INET6)
      six.sin6_port = order
      (family, bytes) = (AF_INET6, withUnsafeBytes(of: six) { Array($0) })
    } else {
      return nil
    }
  }

  /// 0, or errno; EINPROGRESS where it goes on. Source: connect(2).
  func connect(_ descriptor: Int32) -> Int32 {
    bytes.withUnsafeBytes { bytes in
      let name = bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self)
      return Glibc.connect(descriptor, name, socklen_t(bytes.count)) == 0 ? 0 : errno
    }
  }

  /// A socket of its family that never waits; nil with errno where there is none.
  func socket(_ type: __socket_type) -> Int32? {
    let flags = Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
    let descriptor = Glibc.socket(family, Int32(type.rawValue) | flags, 0)
    return descriptor >= 0 ? descriptor : nil
  }
}
