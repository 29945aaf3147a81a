// SPDX-License-Identifier: Apache-2.0
import Events

/// Remembers the memory of the last minutes, so that a kill can tell what came before it. No I/O.
///
/// A look every ten seconds, every second while memory is short. A look that costs much is taken less often: at rest a
/// thousandth of a processor at most goes into it, under pressure a hundredth.
package struct MemoryRecorder {
  /// Looks that are kept; the oldest makes room.
  package static let looksMax = 360
  /// The biggest processes of one look.
  package static let processesMax = 24
  /// How far back a kill's record goes.
  package static let windowNanoseconds: Int64 = 600 * second
  /// Moments of one record; of more every second is left out, and so on.
  package static let momentsMax = 120
  /// Processes of one record beside the victim.
  package static let othersMax = 5
  private static let restNanoseconds = 10 * second
  private static let shortNanoseconds = second
  private static let restShare: Int64 = 1000
  private static let shortShare: Int64 = 100
  private static let second: Int64 = 1_000_000_000
  /// Of the last ten seconds some task stood still for memory this share of the time, in hundredths of a percent.
  private static let stallHundredths: Int64 = 100

  private struct Look {
    var monotonicNanoseconds: Int64
    var host: PressureReading
    var processes: Int
  }

  /// A ring: `oldest` is the place of the oldest look where all places are taken.
  private var looks: [Look] = []
  private var oldest = 0
  private var processes: [MemoryReading.Process] = []
  /// When the next look is due, on CLOCK_MONOTONIC.
  package private(set) var dueNanoseconds: Int64 = .min
  /// Looks that were to be taken and gave nothing.
  package private(set) var failures: Int64 = 0

  package init() {}

  /// How many looks are held.
  package var count: Int { looks.count }

  /// Memory is short, somebody says: looks every second from now on, until it no longer is.
  package mutating func hurry(nowNanoseconds: Int64) {
    dueNanoseconds = min(dueNanoseconds, nowNanoseconds + MemoryRecorder.shortNanoseconds)
  }

  /// Looks where a look is due.
  ///
  /// - Parameters:
  ///   - clock: CLOCK_MONOTONIC, nanoseconds.
  ///   - read: the host's memory and its biggest processes; nil where they could not be read.
  /// - Returns: whether it has looked.
  @discardableResult package mutating func sample(clock: () -> Int64, read: () -> MemoryReading?) -> Bool {
    let now = clock()
    guard now >= dueNanoseconds else { return false }
    let reading = read()
    let cost = max(0, clock() - now)
    guard let reading else {
      failures += 1
      dueNanoseconds = now + MemoryRecorder.restNanoseconds
      return false
    }
    let isShort = MemoryRecorder.isShort(reading.host)
    dueNanoseconds =
      now
      + (isShort
        ? max(MemoryRecorder.shortNanoseconds, cost * MemoryRecorder.shortShare)
        : max(MemoryRecorder.restNanoseconds, cost * MemoryRecorder.restShare))
    keep(reading, monotonicNanoseconds: now)
    return true
  }

  /// Less than a tenth of memory can be had, or tasks stand still for it.
  private static func isShort(_ host: PressureReading) -> Bool {
    host.availablePages < host.totalPages / 10 || (host.stall?.some.average10Hundredths ?? 0) >= stallHundredths
  }

  private mutating func keep(_ reading: MemoryReading, monotonicNanoseconds: Int64) {
    let biggest = reading.processes.sorted { ($1.heldPages, $0.pid) < ($0.heldPages, $1.pid) }
      .prefix(MemoryRecorder.processesMax)
    let look = Look(
      monotonicNanoseconds: monotonicNanoseconds, host: reading.host, processes: biggest.count)
    let place: Int
    if looks.count < MemoryRecorder.looksMax {
      place = looks.count
      looks.append(look)
      processes += biggest + repeatElement(MemoryRecorder.nobody, count: MemoryRecorder.processesMax - biggest.count)
    } else {
      place = oldest
      looks[place] = look
      oldest = (oldest + 1) % looks.count
      let begin = place * MemoryRecorder.processesMax
      for (offset, process) in biggest.enumerated() { processes[begin + offset] = process }
    }
  }

  private static let nobody = MemoryReading.Process(
    pid: 0, startBootNanoseconds: nil, comm: Comm(low: 0, high: 0), residentPages: 0, swapPages: 0)

  /// What was seen in the ten minutes before a kill; nil where nothing was.
  ///
  /// - Parameter monotonicNanoseconds: when the kernel decided.
  package func before(_ kill: OOMKill, monotonicNanoseconds: Int64) -> MemoryBefore? {
    let places = window(before: monotonicNanoseconds)
    guard let last = places.last else { return nil }
    var record = MemoryBefore(totalPages: looks[last].host.totalPages)
    record.swapTotalPages = looks[last].host.swapTotalPages
    for place in places {
      let host = looks[place].host
      record.millisecondsBefore.append((monotonicNanoseconds - looks[place].monotonicNanoseconds) / 1_000_000)
      record.availablePages.append(host.availablePages)
      if record.swapTotalPages != nil { record.swapFreePages.append(host.swapFreePages ?? 0) }
      if let stall = host.stall {
        record.someHundredths.append(stall.some.average10Hundredths)
        record.fullHundredths.append(stall.full?.average10Hundredths ?? 0)
      }
    }
    // The kernel's measure is there from one look to the next, or it never is.
    if record.someHundredths.count < places.count { (record.someHundredths, record.fullHundredths) = ([], []) }
    record.millisecondsBefore.append(0)
    record.processes = series(of: kill, places, killNanoseconds: monotonicNanoseconds)
    return record
  }

  /// Places in the ring, the oldest first.
  private func window(before moment: Int64) -> [Int] {
    let all = (0..<looks.count).map { (oldest + $0) % looks.count }.filter {
      let age = moment &- looks[$0].monotonicNanoseconds
      return age >= 0 && age <= MemoryRecorder.windowNanoseconds
    }
    let step = (all.count + MemoryRecorder.momentsMax - 1) / MemoryRecorder.momentsMax
    guard step > 1 else { return all }
    return all.enumerated().filter { (all.count - 1 - $0.offset) % step == 0 }.map(\.element)
  }

  private struct Key: Hashable {
    var pid: Int32
    var start: Int64?
  }

  private func series(of kill: OOMKill, _ places: [Int], killNanoseconds: Int64) -> [MemoryBefore.Series] {
    // A look from before it began is of another process with its number.
    let longest = MemoryRecorder.windowNanoseconds / MemoryRecorder.second
    let born = kill.victim.ageSeconds.map { killNanoseconds &- (min($0, longest) + 1) * MemoryRecorder.second } ?? .min
    var all: [Key: MemoryBefore.Series] = [:]
    var newest: [Int32: Key] = [:]
    for (moment, place) in places.enumerated() {
      let begin = place * MemoryRecorder.processesMax
      for process in processes[begin..<(begin + looks[place].processes)] {
        let isVictim = process.pid == kill.victim.pid
        if isVictim, looks[place].monotonicNanoseconds < born { continue }
        let key = Key(pid: process.pid, start: process.startBootNanoseconds)
        newest[process.pid] = key
        var one = all[key] ?? MemoryBefore.Series(pid: process.pid, comm: process.comm.name, isVictim: isVictim)
        one.add(at: moment, resident: process.residentPages, swap: process.swapPages)
        all[key] = one
      }
    }
    let candidates = kill.candidates?.list ?? []
    for candidate in candidates where candidate.pid != kill.victim.pid {
      guard let key = newest[candidate.pid], let parts = candidate.parts else { continue }
      all[key]?.add(at: places.count, resident: parts.residentPages, swap: parts.swapPages)
    }
    let others = newest.values.filter { $0.pid != kill.victim.pid }.compactMap { all[$0] }
    var victim =
      newest[kill.victim.pid].flatMap { all[$0] }
      ?? MemoryBefore.Series(pid: kill.victim.pid, comm: kill.victim.comm, isVictim: true)
    if let parts = kill.badness?.parts {
      victim.add(at: places.count, resident: parts.residentPages, swap: parts.swapPages)
    }
    return (victim.moments.isEmpty ? [] : [victim]) + MemoryRecorder.chosen(others)
  }

  /// Those that grew most, and the biggest of all where it is not among them.
  private static func chosen(_ others: [MemoryBefore.Series]) -> [MemoryBefore.Series] {
    let grown = others.filter { $0.growthPages > 0 }
      .sorted { ($1.growthPages, $0.pid) < ($0.growthPages, $1.pid) }
    var chosen = Array(grown.prefix(othersMax - 1))
    let biggest = others.max { ($0.lastPages, $1.pid) < ($1.lastPages, $0.pid) }
    if let biggest, !chosen.contains(where: { $0.pid == biggest.pid }) { chosen.append(biggest) }
    return chosen
  }
}

extension MemoryBefore.Series {
  fileprivate mutating func add(at moment: Int, resident: Pages, swap: Pages) {
    moments.append(moment)
    residentPages.append(resident)
    swapPages.append(swap)
  }

  fileprivate var lastPages: Pages { (residentPages.last ?? 0) + (swapPages.last ?? 0) }
}
