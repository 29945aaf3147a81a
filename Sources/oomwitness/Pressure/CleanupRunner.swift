// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Host
import Policy

/// Has the kernel give memory back when it gets short, one thing after the other, and measures what came of each.
final class CleanupRunner {
  /// The page cache fills again, and to drop it costs reads: not more often than this.
  static let pauseNanoseconds: Int64 = 60_000_000_000
  /// Less is not worth the asking.
  private static let leastBytes: Int64 = 16 << 20

  private let requests: [CleanupRequest]
  private let looker: PressureLooker
  private let thresholds: PressureThresholds
  private let files: [KernelName]
  private var waiting: [Int] = []
  private var target: KernelName?
  private var running: (work: MemoryCleanup, cleanup: PressureEvent.Cleanup)?
  private var lastNanoseconds: Int64?

  /// - Throws: where this kernel or these rights do not allow it.
  init(_ requests: [CleanupRequest], looker: PressureLooker, thresholds: PressureThresholds) throws {
    self.requests = requests
    self.looker = looker
    self.thresholds = thresholds
    files = try requests.map { request in
      let file: KernelName
      switch request {
      case .dropCaches: file = KernelName("/proc/sys/vm/drop_caches")
      case .reclaim(let path):
        guard let found = (try? looker.cgroups.file("memory.reclaim", ofGroup: path)) ?? nil else {
          throw Diagnostic.fail(
            "\(TerminalText.safe(path)) has no memory.reclaim: it takes a control group of version 2 and kernel 5.19",
            ExitStatus.notPossibleHere)
        }
        file = found
      }
      guard access(file.text, W_OK) == 0 else {
        throw Diagnostic.fail(
          "cannot write \(TerminalText.safe(file)): \(Wording.text(errno)) (--cleanup needs root)",
          ExitStatus.notPossibleHere)
      }
      return file
    }
  }

  /// For a poll(2).
  var polls: [pollfd] { running.map { [pollfd(fd: $0.work.descriptor, events: Int16(POLLIN), revents: 0)] } ?? [] }

  /// The level of one rose: all that was asked for is done, unless it was not long ago.
  func begin(for path: KernelName?, nowNanoseconds now: Int64) {
    guard !requests.isEmpty, running == nil, waiting.isEmpty,
      lastNanoseconds.map({ now - $0 >= CleanupRunner.pauseNanoseconds }) ?? true
    else { return }
    lastNanoseconds = now
    target = path
    waiting = Array(requests.indices)
  }

  /// Whose level rose, the reading after, and what was done; nil where nothing has ended.
  func step() -> (path: KernelName?, reading: PressureReading, cleanup: PressureEvent.Cleanup)? {
    var result: (KernelName?, PressureReading, PressureEvent.Cleanup)?
    if let (work, cleanup) = running, let ended = work.ended() {
      running = nil
      var cleanup = cleanup
      cleanup.milliseconds = ended.nanoseconds / 1_000_000
      if ended.errno != 0 { cleanup.error = CleanupRunner.words(ended.errno) }
      if let after = try? looker.reading(target) {
        cleanup.availableAfterPages = after.availablePages
        result = (target, after, cleanup)
      }
    }
    while running == nil, !waiting.isEmpty { start(waiting.removeFirst()) }
    return result
  }

  private func start(_ index: Int) {
    guard let before = try? looker.reading(target) else { return }
    var cleanup = PressureEvent.Cleanup(
      action: .dropCaches, availableBeforePages: before.availablePages, availableAfterPages: before.availablePages,
      milliseconds: 0)
    let pageSizeBytes = Int64(looker.identity.pageSizeBytes)
    var text = "1\n"
    if case .reclaim(let path) = requests[index] {
      let wanted = PressureAdvice.missingPages(
        before, below: thresholds, least: CleanupRunner.leastBytes / pageSizeBytes)
      cleanup.action = .reclaim
      cleanup.cgroup = CgroupRef(path: path, version: 2)
      cleanup.wantedPages = wanted
      text = "\(wanted * pageSizeBytes)"
    }
    do throws(HostError) {
      running = (
        try MemoryCleanup(file: files[index], text: text, syncsFirst: requests[index] == .dropCaches), cleanup
      )
    } catch {
      Diagnostic.say("--cleanup: \(Wording.sentence(error))")
    }
  }

  private static func words(_ number: Int32) -> String {
    number == EAGAIN ? "the kernel found less than that" : Wording.text(number)
  }
}
