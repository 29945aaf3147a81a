// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import CProbe
import Events
import Glibc

/// Which programs a rung needs, which it can do without, and where each goes.
struct RungPrograms {
  enum Target {
    /// By the section's name: fentry, fexit, raw tracepoint, kprobe.
    case bySection
    /// A kretprobe on a symbol that the section does not name.
    case returnOf(String)
    /// An iterator that is run once and read to its end.
    case iteratorOnce
  }

  struct Program {
    let name: String
    let pointer: OpaquePointer?
    let target: Target
    let required: Bool
    /// Why it is not even tried here.
    let refusal: String?
  }

  /// Kernel functions whose presence decides what is tried.
  static let functions = [
    "out_of_memory", "oom_evaluate_task", "oom_badness", "oom_badness.part.0", "oom_kill_process", "__oom_kill_process",
    "exit_mmap", "mem_cgroup_out_of_memory", "moom_callback",
  ]

  let programs: [Program]
  private let all: [OpaquePointer?]

  init(rung: ProbeRung, skeleton: UnsafeMutablePointer<CProbe.oomwitness>, symbols: KernelSymbols) {
    let p = skeleton.pointee.progs
    func hook(_ name: String, _ pointer: OpaquePointer?, on function: String, required: Bool = true) -> Program {
      let known = rung == .fentry ? symbols.described : symbols.listed
      let missing = rung == .fentry ? "no BTF for \(function)" : "no symbol \(function)"
      return Program(
        name: name, pointer: pointer, target: .bySection, required: required,
        refusal: known.contains(function) ? nil : missing)
    }
    func tracepoint(_ name: String, _ pointer: OpaquePointer?, required: Bool) -> Program {
      Program(name: name, pointer: pointer, target: .bySection, required: required, refusal: nil)
    }
    let part = "oom_badness.part.0"
    let splitBadness = Program(
      name: "kretprobe:\(part)", pointer: p.kretprobe_oom_badness, target: .returnOf(part), required: false,
      refusal: nil)
    let decision: [Program] =
      switch rung {
      case .fentry:
        [
          hook("fentry:out_of_memory", p.fentry_out_of_memory, on: "out_of_memory"),
          hook("fentry:oom_evaluate_task", p.fentry_oom_evaluate_task, on: "oom_evaluate_task"),
          hook("fexit:oom_badness", p.fexit_oom_badness, on: "oom_badness", required: false),
          hook("fentry:oom_kill_process", p.fentry_oom_kill_process, on: "oom_kill_process"),
          hook("fentry:__oom_kill_process", p.fentry_one_kill, on: "__oom_kill_process"),
          hook("fexit:oom_kill_process", p.fexit_oom_kill_process, on: "oom_kill_process"),
          hook("fexit:out_of_memory", p.fexit_out_of_memory, on: "out_of_memory"),
          hook("fexit:exit_mmap", p.fexit_exit_mmap, on: "exit_mmap", required: false),
        ]
      case .kprobe:
        [
          hook("kprobe:out_of_memory", p.kprobe_out_of_memory, on: "out_of_memory"),
          hook("kprobe:oom_evaluate_task", p.kprobe_oom_evaluate_task, on: "oom_evaluate_task"),
          hook("kprobe:oom_kill_process", p.kprobe_oom_kill_process, on: "oom_kill_process"),
          hook("kprobe:__oom_kill_process", p.kprobe_one_kill, on: "__oom_kill_process"),
          hook("kretprobe:oom_kill_process", p.kretprobe_oom_kill_process, on: "oom_kill_process"),
          hook("kretprobe:out_of_memory", p.kretprobe_out_of_memory, on: "out_of_memory"),
          hook("kprobe:exit_mmap", p.kprobe_exit_mmap, on: "exit_mmap", required: false),
          hook("kretprobe:exit_mmap", p.kretprobe_exit_mmap, on: "exit_mmap", required: false),
        ]
          + (symbols.listed.contains(part)
            ? [] : [hook("kretprobe:oom_badness", p.kretprobe_oom_badness, on: "oom_badness", required: false)])
      case .tracepoint:
        [
          Program(
            name: "iter:task", pointer: p.remember_oom_events, target: .iteratorOnce, required: false, refusal: nil)
        ]
      }
    programs =
      decision + (rung != .tracepoint && symbols.listed.contains(part) ? [splitBadness] : []) + [
        tracepoint("raw_tp:signal_generate", p.on_signal_generate, required: true),
        tracepoint("raw_tp:mark_victim", p.on_mark_victim, required: true),
        tracepoint("raw_tp:start_task_reaping", p.on_start_task_reaping, required: false),
        tracepoint("raw_tp:finish_task_reaping", p.on_finish_task_reaping, required: false),
        tracepoint("raw_tp:skip_task_reaping", p.on_skip_task_reaping, required: false),
        tracepoint("raw_tp:sched_process_exit", p.on_sched_process_exit, required: false),
      ]
    all = RungPrograms.pointers(in: skeleton)
  }

  /// Everything that is not on the list, or refused beforehand, is not loaded.
  func selectForLoading() {
    let wanted = Set(programs.filter { $0.refusal == nil }.compactMap(\.pointer))
    for pointer in all.compactMap({ $0 }) { bpf_program__set_autoload(pointer, wanted.contains(pointer)) }
  }

  private static func pointers(in skeleton: UnsafeMutablePointer<CProbe.oomwitness>) -> [OpaquePointer?] {
    var result: [OpaquePointer?] = []
    var program = bpf_object__next_program(skeleton.pointee.obj, nil)
    while program != nil {
      result.append(program)
      program = bpf_object__next_program(skeleton.pointee.obj, program)
    }
    return result
  }
}
