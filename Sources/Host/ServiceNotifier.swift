// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// Tells systemd how far the service is; where systemd did not start it, nothing.
///
/// Source: sd_notify(3), sd_watchdog_enabled(3).
package final class ServiceNotifier {
  /// Where messages go; nil: nobody asks for them.
  private let address: [UInt8]?
  /// Half of the time in which systemd wants to hear from us; nil where it does not.
  package let watchdogNanoseconds: Int64?

  /// - Parameter environment: of a variable, its value.
  package init(environment: (String) -> String? = ServiceNotifier.variable) {
    address = environment("NOTIFY_SOCKET").flatMap {
      $0.hasPrefix("/") || $0.hasPrefix("@") ? Array($0.utf8) : nil
    }
    let isOurs = environment("WATCHDOG_PID").map { $0 == String(getpid()) } ?? true
    watchdogNanoseconds =
      isOurs ? environment("WATCHDOG_USEC").flatMap(Int64.init).flatMap { $0 > 0 ? $0.multipliedOrMax(500) : nil } : nil
  }

  /// `READY=1` and so on, one a line. False where it could not be sent.
  @discardableResult
  package func tell(_ lines: String...) -> Bool {
    guard let address else { return true }
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    var name = sockaddr_un()
    name.sun_family = sa_family_t(AF_UNIX)
    guard address.count < MemoryLayout.size(ofValue: name.sun_path) else { return false }
    withUnsafeMutableBytes(of: &name.sun_path) {
      $0.copyBytes(from: address)
      // `@` stands for the byte 0 of names that are no files.
      if address[0] == UInt8(ascii: "@") { $0[0] = 0 }
    }
    let length = socklen_t(MemoryLayout<sa_family_t>.size + address.count)
    let message = Array(lines.joined(separator: "\n").utf8)
    return withUnsafePointer(to: &name) { name in
      name.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        sendto(descriptor, message, message.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL), $0, length)
          == message.count
      }
    }
  }

  /// Of this process.
  package static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}

extension Int64 {
  fileprivate func multipliedOrMax(_ factor: Int64) -> Int64 {
    let (product, overflow) = multipliedReportingOverflow(by: factor)
    return overflow ? .max : product
  }
}
