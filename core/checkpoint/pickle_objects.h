// SPDX-License-Identifier: Apache-2.0
// Inside of the pickle machine: storages and tensors from the tuples that describe them. Errors carry the
// message alone; the machine knows the place.
#pragma once

#include "core/checkpoint/pickle_machine.h"

namespace qs {

const char* pickleKindName(PickleValue::Kind kind); ///< "a dict"

/// Corrupt, naming `what`, when the value is of another kind.
Result<void> expectPickleKind(const PickleData& data, PickleRef ref, PickleValue::Kind kind,
                              const char* what);

/// Of a persistent id.
Result<PickleStorage> pickleStorage(const PickleData& data, PickleRef id);

/// Of the arguments of _rebuild_tensor_v2: (storage, offset, size, stride, requires_grad, hooks [,
/// metadata]), or of _rebuild_tensor_v3, which has the dtype before the metadata.
Result<PickleTensor> pickleTensor(const PickleData& data, const PickleValue& arguments, bool v3);

} // namespace qs
