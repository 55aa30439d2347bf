// SPDX-License-Identifier: Apache-2.0
#include "core/export/gptq_format.h"

namespace qs {

const ExporterDescriptor& exporter_gptq();

const ExporterDescriptor& exporter_gptq() {
    static const ExporterDescriptor descriptor = [] {
        ExporterDescriptor d;
        d.id = "gptq";
        d.label = "GPTQ";
        d.summary = "Packed integers in the GPTQ layout: 2, 3, 4 or 8 bits with F16 scales. Symmetric 4 and "
                    "8 bits are "
                    "written in the version that every runtime reads.";
        d.citation = "Frantar et al., GPTQ, ICLR 2023; layout of AutoGPTQ and GPTQModel";
        d.runtimes = {"vLLM", "SGLang", "transformers", "GPTQModel"};
        d.lint = lintGptq;
        exportAs<exporter_gptq, makeGptqFormat>(d);
        return d;
    }();
    return descriptor;
}

} // namespace qs
