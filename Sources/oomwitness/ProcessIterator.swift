// SPDX-License-Identifier: Apache-2.0
import Events
import Host
import KernelProbe

/// BPF's task iterator, for as long as the kernel lets it read.
final class ProcessIterator {
  private let iterator: TaskIterator

  /// Nil where the kernel refuses it.
  init?() {
    do throws(ProbeError) {
      iterator = try TaskIterator()
    } catch {
      return nil
    }
  }

  /// All user processes, and kernel threads where they are wanted; nil where the kernel no longer lets it read.
  func processes(kernelThreads: Bool = false) -> [ProcessSnapshot]? {
    var all: [ProcessSnapshot] = []
    // Room for all at once: an array that grows touches twice the pages, and a new page costs more than a process.
    all.reserveCapacity(HostIdentity.threadsHint)
    do throws(ProbeError) {
      try iterator.forEach { if kernelThreads || $0.skipped != .kernelThread { all.append($0) } }
    } catch {
      return nil
    }
    return all
  }

  /// The biggest processes; nil where the kernel no longer lets it read.
  func biggest(limit: Int) -> [ProcessCache.Sized]? {
    let all = processes()?.map { ProcessCache.Sized(pid: $0.pid, residentPages: $0.parts.totalPages) }
    return all.map { Array($0.sorted { $0.residentPages > $1.residentPages }.prefix(limit)) }
  }
}
