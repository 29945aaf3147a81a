// SPDX-License-Identifier: Apache-2.0
import CLinux
import Events
import Glibc

/// The names of containers by their ids, for patterns that mean a name: looked up while memory is there, so that a decision only
/// looks into a list.
///
/// The engines' files lie on disks that may not answer, so a thread of its own reads them. What is not known yet has no name.
package final class GuardContainerNames {
  /// Containers with a name; those beyond are known by their id alone.
  package static let countMax = 1024
  package static let nameBytesMax = 128
  private static let idBytes = 64
  private static let entryBytes = idBytes + 1 + nameBytesMax
  /// A container that was just made has its name after so long, or after a thousand times what a look costs.
  private static let gapNanoseconds: Int64 = 5_000_000_000
  private static let costShare: Int64 = 1000

  /// One list, sorted by id: 64 bytes of id, the length of the name, the name.
  private struct List {
    let bytes: UnsafeMutableRawBufferPointer
    var count = 0

    init() {
      bytes = .allocate(byteCount: GuardContainerNames.countMax * GuardContainerNames.entryBytes, alignment: 16)
      bytes.initializeMemory(as: UInt8.self, repeating: 0)
    }
  }

  /// What the thread fills, while it has the errand.
  private final class Desk: @unchecked Sendable {
    var list = List()
    var processorNanoseconds: Int64 = 0
    private var readers: (groups: CgroupReader, owners: ContainerResolver)?

    deinit { list.bytes.deallocate() }

    func fill() {
      let before = Desk.processor
      list.count = 0
      if readers == nil, let groups = try? CgroupReader() { readers = (groups, ContainerResolver(readsHomes: false)) }
      guard let readers, let paths = try? readers.groups.paths().paths else { return }
      var names: [[UInt8]: [UInt8]] = [:]
      for path in paths where names.count < GuardContainerNames.countMax {
        guard let id = path.bytes.withUnsafeBytes({ GuardFiles.container($0).map { Array($0) } }), names[id] == nil,
          let owner = readers.owners.owner(ofCgroup: path), let name = owner.container?.name ?? owner.pod?.container
        else { continue }
        names[id] = Array(name.utf8.prefix(GuardContainerNames.nameBytesMax))
      }
      for (id, name) in names.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
        let entry = UnsafeMutableRawBufferPointer(
          rebasing: list.bytes[(list.count * GuardContainerNames.entryBytes)...].prefix(GuardContainerNames.entryBytes))
        entry.copyBytes(from: id)
        entry[GuardContainerNames.idBytes] = UInt8(name.count)
        UnsafeMutableRawBufferPointer(rebasing: entry[(GuardContainerNames.idBytes + 1)...]).copyBytes(from: name)
        list.count += 1
      }
      processorNanoseconds = Desk.processor - before
    }

    private static var processor: Int64 {
      var time = timespec()
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
      return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
  }

  private let desk: Desk
  private let errand: GuardErrand
  private var list = List()
  private var nextAt = Int64.min

  /// Starts the first look. Throws: `HostError.system`.
  package init() throws(HostError) {
    let desk = Desk()
    self.desk = desk
    errand = try GuardErrand("the names of containers") { desk.fill() }
    errand.send()
  }

  deinit { list.bytes.deallocate() }

  /// How many names are known.
  package var count: Int { list.count }

  /// Takes what was found, and looks again where that is due. `now`: CLOCK_MONOTONIC.
  ///
  /// - Parameter waitingMilliseconds: for the first look, at start.
  package func refresh(now: Int64, waitingMilliseconds: Int32 = 0) {
    if errand.isOut {
      guard errand.isBack(waitingMilliseconds: waitingMilliseconds) else { return }
      swap(&list, &desk.list)
      let cost = min(desk.processorNanoseconds, 1 << 40) * GuardContainerNames.costShare
      nextAt = now + max(GuardContainerNames.gapNanoseconds, cost)
    } else if now >= nextAt {
      errand.send()
    }
  }

  /// The name of the container with this id; nil where it is not known. Asks for no memory.
  package func name(of id: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    guard id.count == GuardContainerNames.idBytes, let wanted = id.baseAddress, let base = list.bytes.baseAddress else {
      return nil
    }
    var (low, high) = (0, list.count)
    while low < high {
      let middle = (low + high) / 2
      let entry = base + middle * GuardContainerNames.entryBytes
      let order = memcmp(entry, wanted, GuardContainerNames.idBytes)
      if order == 0 {
        let count = Int(entry.load(fromByteOffset: GuardContainerNames.idBytes, as: UInt8.self))
        return UnsafeRawBufferPointer(start: entry + GuardContainerNames.idBytes + 1, count: count)
      }
      if order < 0 { low = middle + 1 } else { high = middle }
    }
    return nil
  }
}
