// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import CProbe
import Events
import Glibc

/// The programs in the kernel, attached, and the ring that they write to.
///
/// Detaches, frees the ring and unloads when it goes. Source: libbpf, bpf_program__attach(), ring_buffer__new().
package struct AttachedProbe: ~Copyable {
  package let rung: ProbeRung
  /// Each program of the rung, with the reason where the kernel would not have it.
  package let probes: [StreamStart.Probe]
  /// The return of oom_badness() is seen, or of the part of it that is left of a scan where GCC has split it.
  package let seesBadness: Bool
  /// Those that are attached, for as long as this lives.
  package let programs: [ProgramCosts.Program]
  private let object: SkeletonOwner
  private var links: [OpaquePointer] = []
  private let ring: OpaquePointer
  private let receiver: RingReceiver

  init(object: SkeletonOwner, rung: ProbeRung, programs: RungPrograms) throws(ProbeError) {
    var probes: [StreamStart.Probe] = []
    var links: [OpaquePointer] = []
    var attached: [ProgramCosts.Program] = []
    func giveUp() {
      for link in links { bpf_link__destroy(link) }
    }
    for program in programs.programs {
      var refusal = program.refusal
      if refusal == nil {
        switch AttachedProbe.attach(program) {
        case .success(let link):
          if let link {
            links.append(link)
            attached.append(ProgramCosts.Program(name: program.name, descriptor: bpf_program__fd(program.pointer)))
          }
        case .failure(let failure):
          refusal = String(cString: strerror(failure.errno))
          if program.required {
            giveUp()
            throw .attach(program: program.name, errno: failure.errno)
          }
        }
      } else if program.required {
        giveUp()
        throw .attach(program: program.name, errno: ENOENT)
      }
      probes.append(StreamStart.Probe(name: program.name, refusal: refusal))
    }
    let receiver = RingReceiver()
    let descriptor = bpf_map__fd(object.skeleton.pointee.maps.events)
    guard let ring = ring_buffer__new(descriptor, RingReceiver.callback, receiver.context, nil) else {
      let number = errno
      giveUp()
      throw .ring(errno: number)
    }
    self.rung = rung
    self.probes = probes
    self.programs = attached
    seesBadness = probes.contains {
      ($0.name.hasSuffix("oom_badness") || $0.name.hasSuffix("oom_badness.part.0")) && $0.refusal == nil
    }
    object.skeleton.pointee.bss.pointee.sees_badness = seesBadness ? 1 : 0
    self.object = object
    self.links = links
    self.ring = ring
    self.receiver = receiver
  }

  deinit {
    for link in links { bpf_link__destroy(link) }
    ring_buffer__free(ring)
  }

  /// Readable when records wait. Source: libbpf, ring_buffer__epoll_fd().
  package var descriptor: Int32 { ring_buffer__epoll_fd(ring) }

  /// Takes all records that wait now, as bytes, oldest first; the bytes are gone when `body` returns.
  package func consume(_ body: (UnsafeRawBufferPointer) -> Void) {
    withoutActuallyEscaping(body) { body in
      receiver.body = body
      _ = ring_buffer__consume(ring)
      receiver.body = nil
    }
  }

  /// Stops the programs; what they wrote before can still be consumed.
  package mutating func detach() {
    for link in links { bpf_link__destroy(link) }
    links = []
  }

  /// What did not fit since the programs were loaded; read from memory that is shared with them.
  package var losses: LossCounters {
    let bss = object.skeleton.pointee.bss.pointee
    var counters = LossCounters()
    counters.kernelCount = Int64(clamping: bss.lost_kernel_count)
    counters.untrackedVictims = Int64(clamping: bss.untracked_victims)
    withUnsafeBytes(of: bss.lost_records) { raw in
      let perKind = raw.bindMemory(to: UInt64.self)
      for (kind, count) in perKind.enumerated() {
        counters.records += Int64(clamping: count)
        if [OW_CANDIDATES, OW_CGROUP, OW_ARGV].contains(ow_kind(UInt32(kind))) {
          counters.details += Int64(clamping: count)
        }
      }
    }
    return counters
  }

  private struct Failure: Error { let errno: Int32 }

  private static func attach(_ program: RungPrograms.Program) -> Result<OpaquePointer?, Failure> {
    let link: OpaquePointer?
    switch program.target {
    case .bySection: link = bpf_program__attach(program.pointer)
    case .returnOf(let symbol): link = bpf_program__attach_kprobe(program.pointer, true, symbol)
    case .iteratorOnce: link = bpf_program__attach_iter(program.pointer, nil)
    }
    guard let link else { return .failure(Failure(errno: errno)) }
    guard case .iteratorOnce = program.target else { return .success(link) }
    defer { bpf_link__destroy(link) }
    let descriptor = bpf_iter_create(bpf_link__fd(link))
    guard descriptor >= 0 else { return .failure(Failure(errno: -descriptor)) }
    defer { close(descriptor) }
    var nothing: UInt64 = 0
    while read(descriptor, &nothing, MemoryLayout<UInt64>.size) > 0 {}
    return .success(nil)
  }
}

/// Carries a Swift closure through libbpf's callback.
final class RingReceiver {
  var body: ((UnsafeRawBufferPointer) -> Void)?

  var context: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }

  static let callback: ring_buffer_sample_fn = { context, data, size in
    guard let context, let data else { return 0 }
    let receiver = Unmanaged<RingReceiver>.fromOpaque(context).takeUnretainedValue()
    receiver.body?(UnsafeRawBufferPointer(start: data, count: Int(size)))
    return 0
  }
}
