// SPDX-License-Identifier: Apache-2.0
import CLinux
import Events
import Glibc

/// Reads the command line of the one that is about to be ended, which is gone a moment later.
///
/// The kernel takes it from the memory of the process, and may have to bring that back from swap first, or wait for one that
/// thrashes. So a thread of its own reads it, and the signal waits for that no longer than `patienceMilliseconds`.
/// File: /proc/PID/cmdline. Kernel: fs/proc/base.c, get_mm_cmdline().
package final class GuardArguments {
  package static let patienceMilliseconds: Int32 = 1

  /// What both threads know; whoever has the errand may touch it.
  private final class Desk: @unchecked Sendable {
    let files: GuardFiles
    var candidate = GuardCandidate()
    let text: UnsafeMutableRawBufferPointer
    var count = 0

    init(_ files: GuardFiles) {
      self.files = files
      text = .allocate(byteCount: GuardFiles.fieldBytesMax, alignment: 16)
      text.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit { text.deallocate() }

    func read() { count = files.arguments(of: candidate, into: text) }
  }

  private let desk: Desk
  private let errand: GuardErrand
  private var askedPID: Int32 = 0

  /// File: /proc. Throws: `HostError.system`.
  package init(procRoot: String = "/proc", pageSizeBytes: Int = HostIdentity.pageSizeBytes) throws(HostError) {
    let desk = Desk(try GuardFiles(root: procRoot, pageSizeBytes: pageSizeBytes, textBytes: 4096))
    self.desk = desk
    errand = try GuardErrand("the command line") { desk.read() }
  }

  /// Begins to read, unless the last one still is not back.
  package func ask(of candidate: GuardCandidate) {
    askedPID = 0
    guard errand.isBack() else { return }
    (askedPID, desk.candidate, desk.count) = (candidate.pid, candidate, 0)
    errand.send()
  }

  /// Waits a moment for what was asked.
  package func wait(milliseconds: Int32 = GuardArguments.patienceMilliseconds) {
    if askedPID > 0 { _ = errand.isBack(waitingMilliseconds: milliseconds) }
  }

  /// The arguments of this process, where they were asked for and are here; at most 4096 bytes, the last one may be cut there.
  /// Allocates.
  package func list(of pid: Int32) -> [KernelName]? {
    guard pid == askedPID, errand.isBack(), desk.count > 0 else { return nil }
    let text = UnsafeRawBufferPointer(rebasing: desk.text[..<desk.count])
    guard let last = text.lastIndex(where: { $0 != 0 }) else { return nil }
    return text[...last].split(separator: 0, omittingEmptySubsequences: false).map { KernelName(bytes: Array($0)) }
  }
}
