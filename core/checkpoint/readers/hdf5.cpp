// SPDX-License-Identifier: Apache-2.0
// Reader for HDF5 files of any origin, Keras weights among them, at tensor level, and for models that this
// program exported. The file is opened by a process of its own (core/hdf5/h5_import.h).
#include "core/checkpoint/exported_hdf5.h"
#include "core/checkpoint/mapped_hdf5.h"
#include "core/checkpoint/reader.h"

#include <algorithm>
#include <cstring>
#include <fstream>

namespace qs {

namespace fs = std::filesystem;

namespace {

const std::vector<std::string> kExtensions = {".h5", ".hdf5"};
constexpr const char* kExportedFile = "model.h5"; // in the folder of an export
constexpr const char* kKerasArchive = ".keras";   // accepted for the sake of a good refusal

Result<std::shared_ptr<const Checkpoint>> openHdf5(const fs::path& path) {
    std::error_code ec;
    if (fs::is_directory(path, ec)) return openHdf5(path / kExportedFile);
    QS_TRY(auto file, openHdf5Import(path));
    if (isExportedModel(file->listing())) return exportedCheckpoint(std::move(file));
    QS_TRY(auto mapped, MappedHdf5::of(std::move(file)));
    return hdf5Checkpoint(std::move(mapped));
}

bool acceptsHdf5(const fs::path& path) {
    std::error_code ec;
    if (fs::is_directory(path, ec)) return fs::is_regular_file(path / kExportedFile, ec);
    if (!fs::is_regular_file(path, ec)) return false;
    const std::string ending = lowerExtension(path);
    if (ending == kKerasArchive ||
        std::find(kExtensions.begin(), kExtensions.end(), ending) != kExtensions.end())
        return true;
    char head[8] = {};
    std::ifstream(path, std::ios::binary).read(head, sizeof head);
    return std::memcmp(head, "\x89HDF\r\n\x1a\n", sizeof head) == 0;
}

} // namespace

const ReaderDescriptor& reader_hdf5() {
    static const ReaderDescriptor descriptor{
        "hdf5",
        "HDF5",
        "Models exported as HDF5; any other HDF5 file at tensor level, Keras weights recognised, meaning of "
        "arrays by FILE.map.json; read by a process of its own",
        kExtensions,
        acceptsHdf5,
        openHdf5,
        "links to other files, external and virtual storage, plugin filters; "
        "compound, variable-length and reference types; .keras archives "
        "(extract model.weights.h5)"};
    return descriptor;
}

} // namespace qs
