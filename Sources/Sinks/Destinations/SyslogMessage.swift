// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc

/// A line as a message of RFC 5424: who it is about as structured data, and the sentence or the whole line as its text.
struct SyslogMessage {
  /// Of examples and private use; we have no number of our own. Source: RFC 5424, 7.2.2; IANA, 32473.
  private static let dataID = "oomwitness@32473"
  private static let nilValue = Array("-".utf8)

  let settings: SyslogSettings

  /// - Parameter size: `short` has the sentence whatever is asked for.
  func bytes(_ line: DeliveredLine, _ size: DatagramDestination.Size = .whole) -> [UInt8] {
    let facts = line.facts
    var bytes = Array("<\(settings.facility * 8 + facts.severity)>1 ".utf8)
    // Six digits of a second at most. Source: RFC 5424, 6.2.3.
    bytes +=
      facts.wallNanoseconds.map { Array(RFC3339.text(wallNanoseconds: $0).utf8.prefix(26)) + [0x5a] }
      ?? SyslogMessage.nilValue
    bytes.append(0x20)
    bytes += SyslogMessage.header(facts.host, bytesMax: 255)
    bytes += Array(" oomwitness \(getpid()) ".utf8)
    bytes += SyslogMessage.header(facts.type, bytesMax: 32)
    bytes.append(0x20)
    bytes += SyslogMessage.data(facts)
    bytes.append(0x20)
    if settings.body == .json, size == .whole {
      bytes += line.bytes.last == 0x0a ? Array(line.bytes.dropLast()) : line.bytes
    } else {
      bytes += Array(facts.sentence.utf8).map { $0 < 0x20 || $0 == 0x7f ? 0x20 : $0 }
    }
    return bytes
  }

  /// With its length before it. Source: RFC 6587, 3.4.1.
  func counted(_ line: DeliveredLine) -> [UInt8] {
    let bytes = bytes(line)
    return Array("\(bytes.count) ".utf8) + bytes
  }

  /// Printable ASCII alone, or a dash. Source: RFC 5424, 6.
  private static func header(_ text: String?, bytesMax: Int) -> [UInt8] {
    let bytes = (text ?? "").utf8.filter { $0 > 0x20 && $0 < 0x7f }.prefix(bytesMax)
    return bytes.isEmpty ? nilValue : Array(bytes)
  }

  private static func data(_ facts: LineFacts) -> [UInt8] {
    let subject = facts.subject
    var bytes = Array("[\(dataID)".utf8)
    func add(_ name: StaticString, _ value: String?) {
      guard let value else { return }
      bytes += Array(" \(name)=\"".utf8)
      for byte in value.utf8 {
        // Source: RFC 5424, 6.3.3: these three are escaped; control characters may come and harm who shows them.
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "]"): bytes += [UInt8(ascii: "\\"), byte]
        case 0..<0x20, 0x7f: bytes.append(0x20)
        default: bytes.append(byte)
        }
      }
      bytes.append(UInt8(ascii: "\""))
    }
    add("seq", facts.sequence.map { "\($0)" })
    add("boot_id", facts.bootID)
    add("scope", facts.scope)
    add("level", facts.level)
    add("decision", facts.decisionID.map { "\($0)" })
    add("pid", subject.pid.map { "\($0)" })
    add("comm", subject.comm?.text)
    add("cgroup", subject.cgroup?.text)
    add("unit", subject.unit)
    add("container", subject.container?.name ?? subject.container?.id)
    add("namespace", subject.pod?.namespace)
    add("pod", subject.pod?.pod)
    return bytes + [UInt8(ascii: "]")]
  }
}
