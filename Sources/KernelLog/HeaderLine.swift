// SPDX-License-Identifier: Apache-2.0
import Events

/// `COMM invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0`: a report begins.
///
/// The name ends at the last ` invoked oom-killer: `: what follows is the kernel's. Rate-limited to ten in five seconds.
/// 4.9 to 4.20 have `nodemask=` before the order, 2.6.36 to 3.x `oom_adj=` before oom_score_adj, and those before it alone.
/// Kernel: mm/oom_kill.c, dump_header().
struct HeaderLine: Hashable {
  /// Bytes of the longest name that is believed; task_struct.comm holds 15 today.
  static let commBytesMax = 63

  let comm: KernelName
  let gfpMask: UInt32
  /// "GFP_KERNEL", "__GFP_ZERO", and bits without a name as "0x100".
  let gfpFlags: [String]
  let order: Int
  /// Nil before 2.6.36, which knows oom_adj alone: another scale.
  let oomScoreAdj: Int?

  init?(_ text: [UInt8]) {
    guard let end = text[...].places(of: " invoked oom-killer: gfp_mask=0x").last, end <= HeaderLine.commBytesMax else {
      return nil
    }
    comm = KernelName(bytes: Array(text[..<end]))
    var scanner = ByteScanner(text[end...])
    guard scanner.skip(" invoked oom-killer: gfp_mask="), let mask = scanner.hexadecimal(),
      let gfpMask = UInt32(exactly: mask)
    else { return nil }
    self.gfpMask = gfpMask
    var flags: ArraySlice<UInt8> = []
    if scanner.skip("(") {
      flags = scanner.take { $0 != UInt8(ascii: ")") }
      guard scanner.skip(")") else { return nil }
    }
    gfpFlags = flags.split(separator: UInt8(ascii: "|")).map { String(decoding: $0, as: UTF8.self) }
    guard scanner.skip(",") else { return nil }
    scanner.skipSpaces()
    if scanner.skip("nodemask=") {
      if !scanner.skip("(null)") { _ = scanner.take { $0.isInNodeList } }
      // A list takes the comma that ends it with it.
      _ = scanner.skip(",")
      scanner.skipSpaces()
    }
    guard let order: Int = scanner.number(after: "order=") else { return nil }
    let oomAdj: Int? = scanner.number(after: ", oom_adj=")
    let oomScoreAdj: Int? = scanner.number(after: ", oom_score_adj=")
    guard scanner.isAtEnd, oomAdj != nil || oomScoreAdj != nil, (-1000...1000) ~= oomScoreAdj ?? 0 else { return nil }
    self.order = order
    self.oomScoreAdj = oomScoreAdj
  }
}

/// `CPU: 1 UID: 0 PID: 4529 Comm: hog Not tainted 6.18.44 #1`: who asked, by thread id.
///
/// UID is there since 6.12; before 3.10 it is `Pid: 4529, comm: hog Not tainted 2.6.32 #1`.
/// Kernel: lib/dump_stack.c, dump_stack_print_info().
struct TaskLine: Hashable {
  let tid: Int32
  let uid: UInt32?
  /// The name and all that follows it.
  private let rest: [UInt8]

  init?(_ text: [UInt8]) {
    var scanner = ByteScanner(text)
    if let tid: Int32 = scanner.number(after: "Pid: ", unit: ", comm: ") {
      (self.tid, uid, rest) = (tid, nil, Array(scanner.rest))
      return
    }
    guard let _: UInt32 = scanner.number(after: "CPU: ", unit: " ") else { return nil }
    var uid: UInt32?
    if scanner.skip("UID: ") {
      uid = scanner.userID()
      guard uid != nil, scanner.skip(" ") else { return nil }
    }
    guard let tid: Int32 = scanner.number(after: "PID: ", unit: " Comm: "), tid >= 0 else { return nil }
    self.tid = tid
    self.uid = uid
    rest = Array(scanner.rest)
  }

  /// Whether it tells of the task with this name, and not of another that printed at the same time.
  func isOf(_ comm: KernelName) -> Bool {
    rest.starts(with: comm.bytes) && rest.dropFirst(comm.bytes.count).begins(with: " ")
  }
}
