// SPDX-License-Identifier: Apache-2.0
// Inside of the pickle machine: the only names that a GLOBAL may ask for.
#pragma once

#include "core/checkpoint/pickle_machine.h"

namespace qs {

struct PickleGlobal {
    PickleSymbol symbol;
    std::optional<DType> dtype;
};

/// nullopt when the name is not on the list.
std::optional<PickleGlobal> pickleGlobal(std::string_view module, std::string_view name);

} // namespace qs
