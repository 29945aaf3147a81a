// SPDX-License-Identifier: Apache-2.0
import CLinux
import Events
import Glibc

/// Finds whom to take among all processes of the host, or of a control group with what is below it.
///
/// Of the host one file a process is read, then three more of those few that may come first; of a group, which is small, all
/// of each. Those behind them are read when somebody asks: for a second victim, or to tell who else there was. Everything lies in memory that was there from the start, so that it works when none is left. Not for two threads.
/// File: /proc/PID/oom_score, statm, status, stat, oom_score_adj; cgroup.procs. Kernel: mm/oom_kill.c, oom_badness().
package final class GuardScanner {
  /// Those that are read whole and may be told.
  package static let candidatesMax = 32
  /// Killed processes that do not go, and are not taken again.
  package static let stuckMax = 32

  /// Where victims are looked for.
  package enum Place: Sendable {
    case host
    /// An open directory, which stays the caller's.
    case group(descriptor: Int32)
  }

  let files: GuardFiles
  private let walker = GuardWalker()
  private let selfPID: Int32
  private let list: UnsafeMutableBufferPointer<GuardCandidate>
  private let first: UnsafeMutableBufferPointer<(pid: Int32, key: Int64, bonusPermille: Int64)>
  private var firstCount = 0
  /// How many of them were read whole, or found gone.
  private var wholeCount = 0
  private var measure = GuardMeasure.badness
  private var domainPages: Pages = 0
  private let stuck: UnsafeMutableBufferPointer<(pid: Int32, startTimeTicks: UInt64)>
  private var stuckNext = 0
  private let exeText: UnsafeMutableRawBufferPointer
  private let groupText: UnsafeMutableRawBufferPointer
  private var exeCount = 0
  private var groupCount = 0
  /// Those that could be taken in the last scan and were read whole, the one that would be taken first.
  package private(set) var candidates: UnsafeBufferPointer<GuardCandidate>
  /// How many processes with memory of their own it looked at.
  package private(set) var considered = 0

  /// File: /proc.
  package init(
    procRoot: String = "/proc", selfPID: Int32 = getpid(), pageSizeBytes: Int = HostIdentity.pageSizeBytes
  ) throws(HostError) {
    files = try GuardFiles(root: procRoot, pageSizeBytes: pageSizeBytes)
    self.selfPID = selfPID
    list = .allocate(capacity: GuardScanner.candidatesMax)
    list.initialize(repeating: GuardCandidate())
    first = .allocate(capacity: GuardScanner.candidatesMax)
    first.initialize(repeating: (0, 0, 0))
    stuck = .allocate(capacity: GuardScanner.stuckMax)
    stuck.initialize(repeating: (0, 0))
    candidates = UnsafeBufferPointer(rebasing: list[..<0])
    exeText = .allocate(byteCount: GuardFiles.fieldBytesMax, alignment: 16)
    groupText = .allocate(byteCount: GuardFiles.fieldBytesMax, alignment: 16)
    exeText.initializeMemory(as: UInt8.self, repeating: 0)
    groupText.initializeMemory(as: UInt8.self, repeating: 0)
  }

  deinit {
    exeText.deallocate()
    groupText.deallocate()
    list.deallocate()
    first.deallocate()
    stuck.deallocate()
  }

  /// A field of a process for a pattern; nil where it has none. Valid until the next call.
  package func field(_ field: GuardField, of pid: Int32) -> UnsafeRawBufferPointer? { files.field(field, of: pid) }

  /// The path of the memory group of this very process; nil where it is gone. Valid until the next call.
  package func cgroup(of candidate: GuardCandidate) -> UnsafeRawBufferPointer? { files.cgroup(of: candidate) }

  /// Keeps the program and the control group of a process, which are gone from /proc soon after it was killed.
  package func keepDetails(of pid: Int32) {
    exeCount = GuardScanner.copy(files.field(.exe, of: pid), to: exeText)
    groupCount = GuardScanner.copy(files.field(.cgroup, of: pid), to: groupText)
  }

  /// What was kept last; nil where it could not be read.
  package var exe: UnsafeRawBufferPointer? {
    exeCount > 0 ? UnsafeRawBufferPointer(rebasing: exeText[..<exeCount]) : nil
  }
  package var cgroup: UnsafeRawBufferPointer? {
    groupCount > 0 ? UnsafeRawBufferPointer(rebasing: groupText[..<groupCount]) : nil
  }

  private static func copy(_ field: UnsafeRawBufferPointer?, to text: UnsafeMutableRawBufferPointer) -> Int {
    guard let field else { return 0 }
    text.copyMemory(from: field)
    return field.count
  }

  /// It was killed and does not go: it is not taken again.
  package func remember(stuck candidate: GuardCandidate) {
    stuck[stuckNext % GuardScanner.stuckMax] = (candidate.pid, candidate.startTimeTicks)
    stuckNext += 1
  }

  /// Looks at all; `candidates` then has the first of them. False where the place could not be read.
  ///
  /// - Parameters:
  ///   - domainPages: what oom_score_adj counts thousandths of.
  ///   - judge: what patterns say of a process; asked only of those that the kernel could take.
  package func scan(
    _ place: Place, by measure: GuardMeasure, domainPages: Pages, judge: (Int32) -> GuardVerdict
  ) -> Bool {
    (firstCount, considered, wholeCount) = (0, 0, 0)
    (self.measure, self.domainPages) = (measure, domainPages)
    candidates = UnsafeBufferPointer(rebasing: list[..<0])
    let wasRead =
      switch place {
      case .host:
        walker.forEachNumber(in: files.root) { pid in
          guard let key = files.quickKey(pid, measure, domainPages: domainPages) else { return }
          consider(pid, key.value, permille: key.unit, judge)
        }
      case .group(let descriptor):
        walker.forEachProcess(below: descriptor) { pid in
          guard let candidate = files.candidate(pid, domainPages: domainPages) else { return }
          consider(pid, candidate.rank(measure), permille: domainPages / 1000, judge)
        }
      }
    readNear()
    return wasRead
  }

  /// Keeps it where it is among the first.
  ///
  /// - Parameter permille: what a thousandth of the domain is in the same unit.
  private func consider(_ pid: Int32, _ value: Int64, permille: Int64, _ judge: (Int32) -> GuardVerdict) {
    considered += 1
    guard pid != selfPID, pid > 1 else { return }
    guard case .may(let bonus) = judge(pid) else { return }
    let value = value + bonus * permille
    var place = firstCount
    if firstCount == GuardScanner.candidatesMax {
      guard first[firstCount - 1].key < value else { return }
      place -= 1
    } else {
      firstCount += 1
    }
    while place > 0, first[place - 1].key < value {
      first[place] = first[place - 1]
      place -= 1
    }
    first[place] = (pid, value, bonus)
  }

  /// Reads those whole that may be the first: as near to it as oom_score, a whole number, and a counter that moves can hide.
  private func readNear() {
    while wholeCount < firstCount, candidates.isEmpty || first[wholeCount].key + GuardScanner.nearKey >= first[0].key {
      _ = readNext(behind: 0)
    }
  }

  private static let nearKey: Int64 = 6

  /// Reads one more of those that came first, and puts it among the candidates behind the first `settled` of them; false
  /// where there is none.
  package func readNext(behind settled: Int) -> Bool {
    guard wholeCount < firstCount else { return false }
    let next = first[wholeCount]
    wholeCount += 1
    guard var candidate = files.candidate(next.pid, domainPages: domainPages), !isStuck(candidate) else { return true }
    candidate.bonusPages = next.bonusPermille * (domainPages / 1000)
    var place = candidates.count
    while place > settled, candidate.beats(list[place - 1], measure) {
      list[place] = list[place - 1]
      place -= 1
    }
    list[place] = candidate
    candidates = UnsafeBufferPointer(rebasing: list[..<(candidates.count + 1)])
    return true
  }

  /// Adds those behind, for who is told of them; the order of those before stays.
  package func readAll() { while readNext(behind: candidates.count) {} }

  private func isStuck(_ candidate: GuardCandidate) -> Bool {
    for index in 0..<min(stuckNext, GuardScanner.stuckMax)
    where stuck[index].pid == candidate.pid && stuck[index].startTimeTicks == candidate.startTimeTicks {
      return true
    }
    return false
  }

  /// Calls `body` for each process that is in the same process group, or in this control group itself, and may be taken.
  package func forEachMember(
    of place: Members, domainPages: Pages, judge: (Int32) -> GuardVerdict, _ body: (GuardCandidate) -> Void
  ) {
    func offer(_ pid: Int32) {
      guard pid != selfPID, pid > 1, let member = files.candidate(pid, domainPages: domainPages), judge(pid) != .never
      else { return }
      body(member)
    }
    switch place {
    case .processGroup(let group):
      _ = walker.forEachNumber(in: files.root) { pid in if files.processGroup(pid) == group { offer(pid) } }
    case .controlGroup(let descriptor): _ = walker.forEachProcess(below: descriptor, offer)
    }
  }

  /// Who goes with a victim.
  package enum Members: Sendable {
    case processGroup(Int32)
    /// An open directory, which stays the caller's; with what is below it.
    case controlGroup(descriptor: Int32)
  }
}

extension GuardFiles {
  /// What a process is compared by before it is read whole, and what a thousandth of the domain is worth in that; nil where
  /// the kernel would not take it.
  ///
  /// oom_score is two thirds of a thousand and the thousandths of points: as whole numbers it tells hosts' processes apart
  /// by a 1500th of the memory, and those that are near each other are read whole.
  /// Kernel: fs/proc/base.c, proc_oom_score().
  fileprivate func quickKey(
    _ pid: Int32, _ measure: GuardMeasure, domainPages: Pages
  ) -> (value: Int64, unit: Int64)? {
    guard let score = oomScore(pid), score > 0 else { return nil }
    guard measure == .rss else { return (score * 3, 2) }
    return residentPages(pid).map { ($0, domainPages / 1000) }
  }
}
