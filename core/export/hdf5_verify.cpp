// SPDX-License-Identifier: Apache-2.0
#include "core/export/hdf5_format.h"
#include "core/export/verify.h"
#include "core/hdf5/h5_import.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fmt/format.h>

namespace qs {

namespace {

/// Bytes read at once; a stop request is heard between pieces.
constexpr uint64_t kPiece = uint64_t(8) << 20;

DType listedType(H5Type type) {
    switch (type) {
    case H5Type::F64:
        return DType::F64;
    case H5Type::F32:
        return DType::F32;
    case H5Type::F16:
        return DType::F16;
    case H5Type::I32:
        return DType::I32;
    case H5Type::U8:
        return DType::U8;
    case H5Type::U16:
        return DType::U16;
    case H5Type::I8:
        return DType::I8;
    case H5Type::I16:
        return DType::I16;
    case H5Type::U32:
        return DType::U32;
    case H5Type::I64:
        return DType::I64;
    case H5Type::U64:
        return DType::U64;
    }
    return DType::U8;
}

std::string textOf(const H5Attribute& a) {
    if (const auto* number = std::get_if<int64_t>(&a.value)) return std::to_string(*number);
    return std::get<std::string>(a.value);
}

class Comparison {
public:
    Comparison(const ExportSource& source, std::unique_ptr<H5Import> file, const Checkpoint& written,
               Receipt& receipt)
        : source_(source), file_(std::move(file)), written_(written), receipt_(receipt), cache_(source) {}

    Result<void> run(const std::vector<Hdf5Object>& objects, const JobContext& job) {
        QS_CHECK(addTensorLines());
        for (size_t i = 0; i < objects.size(); ++i) {
            QS_CHECK(job.checkpoint());
            job.report("Verify " + objects[i].line, double(i), double(objects.size()));
            QS_CHECK(compareObject(objects[i], job));
            const bool last = i + 1 == objects.size() || objects[i + 1].line != objects[i].line;
            if (last && tensors_.count(objects[i].line))
                QS_CHECK(compareValues(tensors_.at(objects[i].line)));
        }
        nothingElse(objects);
        return {};
    }

private:
    ReceiptLine& line(const std::string& name) {
        const auto [it, added] = lines_.try_emplace(name, receipt_.lines.size());
        if (added) receipt_.lines.push_back({name, "as planned", "as planned"});
        return receipt_.lines[it->second];
    }

    Result<void> addTensorLines() {
        entries_ = source_.entriesOfTensor();
        for (size_t i = 0; i < entries_.size(); ++i) {
            const TensorInfo& t = source_.checkpoint().tensors()[i];
            ReceiptLine& l = line(t.name);
            std::string formats;
            for (const PlanEntry* e : entries_[i]) {
                QS_TRY(const auto codec, createCodec(e->scheme->codec, e->scheme->codecParams));
                formats += (formats.empty() ? "" : ", ") + codec->label();
            }
            l.planned = fmt::format(
                "{} [{}]", formats.empty() ? fmt::format("kept {}", dtypeInfo(t.dtype).name) : formats,
                fmt::join(t.shape, ", "));
            l.done = l.planned;
            tensors_[t.name] = i;
        }
        return {};
    }

    const std::vector<H5Node>& nodes() const { return file_->listing().nodes; }

    Result<void> compareObject(const Hdf5Object& o, const JobContext& job) {
        ReceiptLine& l = line(o.line);
        const auto at = std::lower_bound(nodes().begin(), nodes().end(), o.path,
                                         [](const H5Node& n, const std::string& p) { return n.path < p; });
        const std::string name = o.path.substr(o.path.rfind('/') + 1);
        if (at == nodes().end() || at->path != o.path) {
            l.done += fmt::format(", {} is missing", name);
            return {};
        }
        for (const H5TextAttribute& have : at->attributes)
            for (const H5Attribute& want : o.attributes)
                if (have.name == want.name && have.values != std::vector{textOf(want)})
                    l.done += fmt::format(", {} of {} differs", have.name, name);
        if (!o.array) return {};
        if (at->kind != H5Node::Kind::Array || at->type != listedType(o.type) || at->shape != o.shape) {
            l.done += fmt::format(", {} has another type or shape", name);
            return {};
        }
        QS_TRY(const uint64_t different, countDifferent(o, *at, job));
        if (different == 0) return {};
        if (name == "codes") l.codesDiffering += different;
        l.done +=
            fmt::format(", {} {} of {} differ", different, name == "codes" ? "elements" : "bytes", name);
        return {};
    }

    Result<uint64_t> countDifferent(const Hdf5Object& o, const H5Node& node, const JobContext& job) {
        QS_TRY(const auto want, o.bytes(buffer_));
        const uint64_t element = h5ElementBytes(node);
        if (want.size() != node.elements() * element) return Error::internal("planned sizes differ", o.path);
        uint64_t different = 0;
        for (uint64_t at = 0; at < want.size();) {
            QS_CHECK(job.checkpoint());
            const uint64_t count = std::min<uint64_t>(kPiece, want.size() - at) / element;
            piece_.resize(size_t(count * element));
            QS_CHECK(file_->read(node, at / element, count, piece_));
            const std::byte* expected = want.data() + at;
            if (std::memcmp(piece_.data(), expected, piece_.size()) != 0)
                for (size_t i = 0; i < piece_.size(); ++i)
                    different += piece_[i] != expected[i];
            at += piece_.size();
        }
        return different;
    }
    static uint64_t h5ElementBytes(const H5Node& node) { return uint64_t(dtypeInfo(node.type).bits) / 8; }

    /// What the reader makes of a tensor.
    Result<void> compareValues(size_t index) {
        const TensorInfo& planned = source_.checkpoint().tensors()[index];
        ReceiptLine& l = line(planned.name);
        const size_t at = written_.find(planned.name);
        if (at == Checkpoint::npos) {
            l.done += ", the reader does not find it";
            return {};
        }
        const TensorInfo& have = written_.tensors()[at];
        if (have.shape != planned.shape || (entries_[index].empty() && have.dtype != planned.dtype))
            l.done += fmt::format(", read as {} [{}]", have.typeName(), fmt::join(have.shape, ", "));
        if (entries_[index].empty() || have.shape != planned.shape) return {};
        QS_TRY(const Matrix stored, written_.readMatrix(at));
        for (const PlanEntry* e : entries_[index]) {
            QS_TRY(const auto q, cache_.get(*e));
            QS_TRY(const auto codec, codecOf(*q));
            const Matrix want = codec->dequantize(*q);
            Matrix weight(q->rows, q->cols);
            gatherPlace(e->target.place, stored.view(), weight.view());
            (void)qs::compareValues(std::as_const(weight).span(), want.span(), l);
        }
        if (l.maxDelta != 0) l.done += fmt::format(", values differ by up to {:.3g}", l.maxDelta);
        return {};
    }

    /// Groups on the way to a planned object need no plan of their own.
    void nothingElse(const std::vector<Hdf5Object>& objects) {
        std::set<std::string> planned;
        for (const Hdf5Object& o : objects)
            for (size_t end = o.path.size(); end != 0 && end != std::string::npos;
                 end = o.path.rfind('/', end - 1))
                planned.insert(o.path.substr(0, end));
        planned.insert("/");
        for (const H5Node& n : nodes())
            if (!planned.count(n.path)) receipt_.lines.push_back({n.path, "absent", "present"});
    }

    const ExportSource& source_;
    std::unique_ptr<H5Import> file_;
    const Checkpoint& written_;
    Receipt& receipt_;
    TensorCache cache_;
    std::vector<std::vector<const PlanEntry*>> entries_;
    std::map<std::string, size_t> lines_, tensors_;
    std::vector<std::byte> buffer_, piece_;
};

} // namespace

Result<Receipt> verifyHdf5(const ExportSource& source, const std::filesystem::path& directory,
                           const JobContext& job) {
    Receipt receipt;
    QS_TRY(receipt.bytesPlanned, hdf5Bytes(source));
    QS_TRY(const auto objects, hdf5Objects(source));
    QS_TRY(const auto written, openCheckpoint(directory / kHdf5ExportFile));
    QS_TRY(auto file, H5Import::open(directory / kHdf5ExportFile));
    QS_CHECK(Comparison(source, std::move(file), *written, receipt).run(objects, job));
    QS_CHECK(finishReceipt(directory, receipt, job));
    return receipt;
}

} // namespace qs
