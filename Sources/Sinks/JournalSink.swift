// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc

/// Sends entries to journald by its native protocol: one datagram each, of lines `FIELD=value`.
///
/// A journald that is not there, or too busy to take it at once, costs the entry and no time. A datagram that is larger than
/// the socket takes (212,992 bytes by default) is dropped as well: no line of ours comes near.
/// Source: systemd's documentation, "Native Journal Protocol"; journald's socket /run/systemd/journal/socket.
package final class JournalSink {
  package static let standardPath = "/run/systemd/journal/socket"

  /// One field of an entry: the name in capitals, digits and underscores; a value with newlines is sent with its length.
  package struct Field: Hashable, Sendable {
    package var name: StaticName
    package var value: [UInt8]

    package init(_ name: StaticName, _ value: [UInt8]) {
      self.name = name
      self.value = value
    }
  }

  /// The names that we use.
  package enum StaticName: String, Sendable {
    case message = "MESSAGE"
    case priority = "PRIORITY"
    case identifier = "SYSLOG_IDENTIFIER"
    case event = "OOMWITNESS_EVENT"
    case level = "OOMWITNESS_LEVEL"
    case messageID = "MESSAGE_ID"
    /// What makes `journalctl -u UNIT` show an entry that root sent about it.
    case objectUnit = "OBJECT_SYSTEMD_UNIT"
    case type = "OOMWITNESS_TYPE"
    case time = "OOMWITNESS_TIME"
    case sequence = "OOMWITNESS_SEQ"
    case bootID = "OOMWITNESS_BOOT_ID"
    case host = "OOMWITNESS_HOST"
    case scope = "OOMWITNESS_SCOPE"
    case decision = "OOMWITNESS_DECISION_ID"
    case victimPID = "OOMWITNESS_VICTIM_PID"
    case victimComm = "OOMWITNESS_VICTIM_COMM"
    case victimUser = "OOMWITNESS_VICTIM_USER"
    case victimCgroup = "OOMWITNESS_VICTIM_CGROUP"
    case victimUnit = "OOMWITNESS_VICTIM_UNIT"
    case containerID = "OOMWITNESS_CONTAINER_ID"
    case containerName = "OOMWITNESS_CONTAINER_NAME"
    case containerImage = "OOMWITNESS_CONTAINER_IMAGE"
    case namespace = "OOMWITNESS_K8S_NAMESPACE"
    case pod = "OOMWITNESS_K8S_POD"
    case podContainer = "OOMWITNESS_K8S_CONTAINER"
    case podUID = "OOMWITNESS_K8S_POD_UID"
  }

  package private(set) var entriesDropped: Int64 = 0
  /// errno of the last entry that was dropped.
  package private(set) var failure: Int32?
  private let path: String
  private let descriptor: Int32

  package init(path: String = JournalSink.standardPath) {
    self.path = path
    descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    if descriptor < 0 { failure = errno }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// False where it was dropped.
  package func send(_ fields: [Field]) -> Bool {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let room = MemoryLayout.size(ofValue: address.sun_path)
    let name = Array(path.utf8)
    guard name.count < room else { return drop(ENAMETOOLONG) }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
    let bytes = JournalSink.datagram(fields)
    let length = socklen_t(MemoryLayout<sockaddr_un>.size)
    let flags = Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)
    let sent = withUnsafePointer(to: &address) { address in
      address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        sendto(descriptor, bytes, bytes.count, flags, address, length)
      }
    }
    return sent == bytes.count ? true : drop(errno)
  }

  private func drop(_ number: Int32) -> Bool {
    failure = number
    entriesDropped += 1
    return false
  }

  static func datagram(_ fields: [Field]) -> [UInt8] {
    var bytes: [UInt8] = []
    for field in fields {
      bytes += Array(field.name.rawValue.utf8)
      if field.value.contains(0x0a) {
        bytes.append(0x0a)
        withUnsafeBytes(of: UInt64(field.value.count).littleEndian) { bytes += Array($0) }
      } else {
        bytes.append(UInt8(ascii: "="))
      }
      bytes += field.value
      bytes.append(0x0a)
    }
    return bytes
  }
}
