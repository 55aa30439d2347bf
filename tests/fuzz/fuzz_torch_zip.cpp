// SPDX-License-Identifier: Apache-2.0
// A file of torch.save: the container when the input starts with "PK", else a pickle, which gets a valid
// container around it. Every accepted tensor must lie inside the file.
#include "core/checkpoint/pickle_machine.h"
#include "core/checkpoint/torch_file.h"
#include "core/checkpoint/zip_archive.h"
#include "tests/unit/reader/torch_bytes.h"

#include <cstdlib>

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

std::span<const std::byte> bytesOf(const std::string& s) {
    return std::as_bytes(std::span(s));
}

void checkFile(std::span<const std::byte> file) {
    if (const auto entries = qs::readStoredZip(file, "fuzz")) {
        uint64_t end = 0;
        for (const qs::ZipEntry& e : *entries) {
            require(e.offset >= end && e.size <= file.size() && e.offset <= file.size() - e.size);
            require(!e.name.empty() && e.name[0] != '/' && e.name.find("../") == std::string::npos);
            end = e.offset + e.size;
        }
    }
    const auto tensors = qs::readTorchFile(file, "fuzz");
    if (!tensors) {
        require(tensors.error().describe().rfind("fuzz", 0) == 0);
        return;
    }
    for (const qs::TorchTensor& t : *tensors) {
        require(t.shape.size() == t.strides.size());
        unsigned __int128 last = 0;
        bool empty = false;
        for (size_t i = 0; i < t.shape.size(); ++i) {
            empty = empty || t.shape[i] == 0;
            if (t.shape[i] > 0) last += (unsigned __int128)(t.shape[i] - 1) * t.strides[i];
        }
        const unsigned __int128 element = unsigned(qs::dtypeInfo(t.dtype).bits) / 8;
        require(t.offset <= file.size() && (empty || t.offset + (last + 1) * element <= file.size()));
    }
}

void checkPickle(std::span<const std::byte> pickle) {
    const auto data = qs::runPickle(pickle, "fuzz");
    if (!data) return;
    require(data->root < data->values.size());
    for (const qs::PickleValue& v : data->values) {
        for (const qs::PickleRef item : v.items)
            require(item < data->values.size());
        if (v.kind == qs::PickleValue::Kind::Tensor) require(v.index < data->tensors.size());
        if (v.kind == qs::PickleValue::Kind::Storage) require(v.index < data->storages.size());
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string input(reinterpret_cast<const char*>(data), size);
    if (input.starts_with("PK")) {
        checkFile(bytesOf(input));
        return 0;
    }
    checkPickle(bytesOf(input));
    checkFile(bytesOf(qs::test::zipBytes(qs::test::torchItems(input))));
    return 0;
}
