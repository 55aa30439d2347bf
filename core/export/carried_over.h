// SPDX-License-Identifier: Apache-2.0
// What an export carries over from its source and its run beside the weights, told before anything is
// written.
#pragma once

#include "core/export/exporter.h"

namespace qs {

struct CarriedItem {
    enum class Kind {
        Tokenizer,        ///< `count` tokens
        ChatTemplate,     ///< of tokenizer_config.json or chat_template.jinja
        GenerationConfig, ///< generation_config.json
        Calibration,      ///< `text`: the fingerprint of the run's
        Recipe,           ///< quantoscope.json: the plan, where it comes from, versions
        OtherFiles,       ///< `files`: whatever else lies in the source's folder
    };
    Kind kind;
    bool carried = true; ///< false: the source has it, and the format has no place for it
    uint64_t count = 0;
    std::string text;
    std::vector<std::pair<std::string, uint64_t>> files; ///< name, bytes
};

/// In that order; what the source or the run does not have is left out. Folders of Hugging Face and HDF5
/// files carry the files of the source's folder as they are; GGUF has the vocabulary and the chat template in
/// its metadata, and nothing else. A source that is one file has no files beside it.
Result<std::vector<CarriedItem>> carriedOver(const Model& model, const Run& run,
                                             const ExporterDescriptor& exporter);

} // namespace qs
