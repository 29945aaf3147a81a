// SPDX-License-Identifier: Apache-2.0
import Events

/// What a logger put before the kernel's words: times, a host, who printed; and where those words begin.
///
/// Each form is known by its own shape, and by nothing that a process may choose. Source: dmesg(1), journalctl(1)
/// --output, RFC 3164, RFC 5424 as rsyslog writes it to files; kernel/printk/printk.c, print_prefix().
struct LogPrefix {
  /// Bytes of a prefix of no known shape, before the kernel's own time stamp.
  static let foreignBytesMax = 200

  var host: KernelName?
  var wallNanoseconds: Int64?
  var monotonicNanoseconds: Int64?
  var caller: KernelName?
  /// False where a logger says that a program wrote it.
  var isFromKernel = true
  /// Where the kernel's words begin.
  var textStart: Int
  /// What the logger wrote ends here, before the kernel's own stamp where there is one, and named this host.
  private var logger: (end: Int, host: KernelName)?

  /// What a logger put before the kernel's own time stamp, and what it means: the lines of a report have it in common.
  struct Known {
    fileprivate var bytes: ArraySlice<UInt8> = []
    fileprivate var host: KernelName?
    fileprivate var wallNanoseconds: Int64?
  }

  /// Every line has one, if only an empty one; `known` is the last line's.
  init(_ line: ArraySlice<UInt8>, calendar: inout LogCalendar, known: inout Known) {
    guard !known.bytes.isEmpty, line.begins(with: known.bytes) else {
      self.init(line, calendar: &calendar)
      if let logger {
        known = Known(bytes: line[..<logger.end], host: logger.host, wallNanoseconds: wallNanoseconds)
      }
      return
    }
    self.init(textStart: line.startIndex + known.bytes.count)
    (host, wallNanoseconds) = (known.host, known.wallNanoseconds)
    var scanner = ByteScanner(line[textStart...])
    if takeStamp(&scanner) { textStart = scanner.index }
  }

  private init(textStart: Int) { self.textStart = textStart }

  /// The same of a line by itself.
  init(_ line: ArraySlice<UInt8>, calendar: inout LogCalendar) {
    textStart = line.startIndex
    var scanner = ByteScanner(line)
    takeLevel(&scanner)
    if takeStamp(&scanner) || takeLogger(&scanner, &calendar) || takeCtime(&scanner, &calendar) {
      textStart = scanner.index
    } else {
      takeForeign(line)
    }
  }

  /// `<6>`, of dmesg --raw, and `kern  :info  : `, of dmesg --decode.
  private mutating func takeLevel(_ scanner: inout ByteScanner) {
    var ahead = scanner
    if ahead.skip("<"), let _: UInt16 = ahead.number(), ahead.skip(">") {
      scanner = ahead
    } else if ahead.skip("kern") {
      ahead.skipSpaces()
      guard ahead.skip(":") else { return }
      _ = ahead.take { $0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "z") }
      ahead.skipSpaces()
      guard ahead.skip(": ") else { return }
      scanner = ahead
    } else {
      return
    }
    textStart = scanner.index
  }

  /// `[   12.345678] ` or `[   12.345678][ T123] ` of the kernel; with ` host kernel: ` after it, of journalctl
  /// --output=short-monotonic; with ` <    0.000012>` in it, of dmesg --show-delta.
  private mutating func takeStamp(_ scanner: inout ByteScanner) -> Bool {
    var ahead = scanner
    guard let nanoseconds = LogPrefix.stamp(&ahead) else { return false }
    monotonicNanoseconds = nanoseconds
    if ahead.skip("[") {
      ahead.skipSpaces()
      let name = ahead.take { $0 != UInt8(ascii: "]") }
      guard name.count <= 16, ahead.skip("]") else { return false }
      caller = KernelName(bytes: Array(name))
    }
    guard ahead.skip(" ") || ahead.isAtEnd else { return false }
    scanner = ahead
    // A host that is called like a word of the kernel's would be needed to be mistaken here.
    if let host = LogPrefix.hostAndIdentifier(&ahead, only: "kernel") {
      self.host = host
      scanner = ahead
    }
    return true
  }

  private static func stamp(_ scanner: inout ByteScanner) -> Int64? {
    guard scanner.skip("[") else { return nil }
    scanner.skipSpaces()
    guard let seconds: UInt32 = scanner.number(), scanner.skip("."), let fraction = scanner.fraction() else {
      return nil
    }
    if scanner.skip(" <") {
      _ = scanner.take { $0 != UInt8(ascii: ">") && $0 != UInt8(ascii: "]") }
      guard scanner.skip(">") else { return nil }
    }
    guard scanner.skip("]") else { return nil }
    return Int64(seconds) * 1_000_000_000 + fraction
  }

  /// A wall-clock time, then `host identifier: `; or, of dmesg --time-format=iso, the kernel's words at once.
  private mutating func takeLogger(_ scanner: inout ByteScanner, _ calendar: inout LogCalendar) -> Bool {
    var ahead = scanner
    var isISO = false
    if let wall = calendar.syslog(&ahead) {
      wallNanoseconds = wall
    } else if let wall = calendar.iso8601(&ahead) {
      wallNanoseconds = wall
      isISO = true
    } else if let wall = calendar.shortFull(&ahead) {
      wallNanoseconds = wall
    } else if let wall = LogPrefix.unix(&ahead) {
      wallNanoseconds = wall
    } else {
      return false
    }
    guard ahead.skip(" ") else {
      wallNanoseconds = nil
      return false
    }
    scanner = ahead
    var behind = ahead
    if let host = LogPrefix.hostAndIdentifier(&behind, only: "kernel") {
      self.host = host
      scanner = behind
      logger = (behind.index, host)
      var stamped = scanner
      if takeStamp(&stamped) { scanner = stamped }
    } else if let host = LogPrefix.hostAndIdentifier(&behind, only: nil), !isISO || !LogPrefix.isKernels(ahead.rest) {
      self.host = host
      isFromKernel = false
      scanner = behind
    }
    return true
  }

  /// `1700000000.123456`, of journalctl --output=short-unix.
  private static func unix(_ scanner: inout ByteScanner) -> Int64? {
    var ahead = scanner
    guard let seconds: UInt32 = ahead.number(), seconds > 100_000_000, ahead.skip("."), let fraction = ahead.fraction()
    else { return nil }
    scanner = ahead
    return Int64(seconds) * 1_000_000_000 + fraction
  }

  /// `host kernel: `, or `host sshd[123]: `.
  private static func hostAndIdentifier(_ scanner: inout ByteScanner, only identifier: StaticString?) -> KernelName? {
    var ahead = scanner
    let host = ahead.take { $0 > 0x20 && $0 != 0x7f }
    guard (1...255).contains(host.count), ahead.skip(" ") else { return nil }
    let name = ahead.take { $0 > 0x20 && $0 != UInt8(ascii: ":") && $0 != UInt8(ascii: "[") }
    if ahead.skip("[") {
      _ = ahead.take { $0 != UInt8(ascii: "]") && $0 > 0x20 }
      guard ahead.skip("]") else { return nil }
    }
    guard !name.isEmpty, ahead.skip(": ") else { return nil }
    if let identifier, !(name.begins(with: identifier) && name.count == identifier.utf8CodeUnitCount) { return nil }
    scanner = ahead
    return KernelName(bytes: Array(host))
  }

  /// Whether the words after a bare time are the kernel's, of dmesg, and no `host program: ` of a logger.
  private static func isKernels(_ text: ArraySlice<UInt8>) -> Bool {
    if case .other = ReportLine(Array(text)) { return false }
    return true
  }

  /// `[Wed Nov 25 10:16:35 2026] `, of dmesg --ctime.
  private mutating func takeCtime(_ scanner: inout ByteScanner, _ calendar: inout LogCalendar) -> Bool {
    var ahead = scanner
    guard ahead.skip("["), let wall = calendar.ctime(&ahead), ahead.skip("] ") else { return false }
    wallNanoseconds = wall
    scanner = ahead
    return true
  }

  /// What kubectl, docker, a cloud's console or somebody's mail put before a line: it ends where the kernel's time stamp,
  /// or `kernel: `, begins.
  private mutating func takeForeign(_ line: ArraySlice<UInt8>) {
    let head = line.prefix(LogPrefix.foreignBytesMax)
    for place in head.places(of: "[") where place > textStart {
      var scanner = ByteScanner(line[place...])
      guard takeStamp(&scanner) else { continue }
      textStart = scanner.index
      return
    }
    guard let place = head.places(of: " kernel: ").first else { return }
    var scanner = ByteScanner(line[(place + 9)...])
    _ = takeStamp(&scanner)
    textStart = scanner.index
  }
}
