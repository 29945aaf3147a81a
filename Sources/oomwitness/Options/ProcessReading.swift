// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// By what the processes are read: BPF's task iterator, or the files under /proc.
enum ProcessReading: String, CaseIterable, ExpressibleByArgument { case auto, iterator, proc }
