// SPDX-License-Identifier: Apache-2.0
// Codes, sums and rotations of the CUDA backend on emulated devices: the same bits as the number formats and
// the CPU give; sizes that need more than one piece; memory that runs short.
#include "core/backend/codes.h"
#include "core/backend/selftest/cases.h"
#include "core/backend/sums.h"
#include "core/codec/level_codec.h"
#include "core/model/forward.h"
#include "core/model/model.h"
#include "tests/support/emulated_device.h"
#include "tests/support/qs_test.h"
#include "tests/support/small_model.h"

#include <cmath>

using namespace qs;
using emulation::machine;
using nlohmann::json;
using selftest::randomMatrix;
using test::device;
using test::taken;

namespace {

/// Levels of the formats whose tables are found with the tensor.
std::unique_ptr<Levels> ownLevels(const Codec& codec, float zero) {
    std::vector<float> values;
    for (int code = 0; code < codec.levels(); ++code)
        values.push_back(codec.decode(uint8_t(code), 1, zero));
    return std::make_unique<Levels>(std::move(values));
}

CodeGrid gridOf(const Levels& levels) {
    CodeGrid grid;
    grid.maxCode = int(levels.count()) - 1;
    grid.levels = levels.values();
    grid.bounds = levels.bounds();
    grid.zeroCode = levels.zeroCode();
    return grid;
}

/// Parameters of every group by the plain rule of the format.
QuantizedTensor fitted(const Codec& codec, const Matrix& w) {
    QuantizedTensor q;
    q.rows = w.rows();
    q.cols = w.cols();
    q.layout = taken(codec.layout(q.rows, q.cols));
    codec.prepareParameters(w.view(), {}, q);
    const size_t unit = codec.fitColumns() > 0 ? std::min(codec.fitColumns(), q.cols) : q.layout.groupSize;
    for (size_t r = 0; r < q.rows; ++r)
        for (size_t c = 0; c < q.cols; c += unit) {
            const std::span<const float> values(w.row(r) + c, std::min(unit, q.cols - c));
            if (codec.fitColumns() > 0) {
                codec.fitBlock(values, {}, {}, q, q.parameterRow(r), c);
                continue;
            }
            const auto [lo, hi] = std::minmax_element(values.begin(), values.end());
            const size_t p = q.parameterRow(r), g = c / unit;
            codec.fitRange(*lo, *hi, q.scale(p, g), q.zero(p, g));
        }
    return q;
}

/// Scratch and a model of two blocks.
struct Llama {
    QTemporaryDir folder;
    std::shared_ptr<const Model> model;
    Llama() {
        const auto dir = std::filesystem::path(folder.path().toStdString());
        const test::SmallModelShape shape;
        if (auto r = test::writeSmallModel(dir, shape, test::smallConfig(shape)); !r)
            qFatal("%s", r.error().describe().c_str());
        model = taken(openModel(dir));
    }
};

} // namespace

class CudaCodes : public QObject {
    Q_OBJECT

    /// A pass of the first block over 32 windows; what the hook saw, by site.
    static Result<std::map<std::string, std::vector<float>>> pass(const Llama& llama, Backend& backend,
                                                                  Matrix& hidden, size_t memory) {
        std::map<std::string, std::vector<float>> seen;
        const SiteHook hook = [&](const std::string& site, const Tensor& x) -> Result<void> {
            Matrix storage;
            QS_TRY(const ConstMatrixView host, backend.hostView(x, storage));
            for (size_t r = 0; r < host.rows; ++r)
                seen[site].insert(seen[site].end(), host.row(r), host.row(r) + host.cols);
            return {};
        };
        QS_TRY(Forward forward, Forward::create(llama.model->spec(), backend, 64));
        QS_TRY(const DeviceBlock block, forward.loadBlock(0, *modelWeights(*llama.model)));
        QS_TRY(ActivationStore store, ActivationStore::create(hidden.rows(), hidden.cols(), SIZE_MAX));
        std::copy_n(hidden.data(), hidden.size(), taken(store.rows(0, hidden.rows())).data);
        machine().memoryBytes = memory;
        const auto r = forward.runBlock(0, block, store, hook, false, {});
        machine().memoryBytes = size_t(1) << 30;
        if (!r) return r.error();
        std::copy_n(taken(store.values(0, hidden.rows())).data, hidden.size(), hidden.data());
        return seen;
    }

private slots:
    void init() { test::resetMachine(); }
    void cleanup() { QCOMPARE(machine().usedBytes, size_t(0)); }

    void codesAreTheFormats_data() {
        QTest::addColumn<QString>("codec");
        QTest::addColumn<QString>("params");
        for (int bits = 2; bits <= 8; ++bits)
            for (const char* grid : {"symmetric", "asymmetric"})
                QTest::addRow("int%d %s", bits, grid)
                    << "int" << QString(R"({"bits": %1, "group": 32, "grid": "%2"})").arg(bits).arg(grid);
        QTest::newRow("int4 tensor") << "int"
                                     << R"({"group": 0})";
        for (const char* f : {"e4m3", "e5m2", "e3m2", "e2m3", "e2m1", "e3m0", "e1m2"})
            QTest::addRow("float %s", f) << "float" << QString(R"({"format": "%1", "group": 32})").arg(f);
        QTest::newRow("float in blocks") << "float"
                                         << R"({"format": "e4m3", "group": 32, "block_rows": 4})";
        for (int bits = 2; bits <= 4; ++bits)
            QTest::addRow("nf%d", bits) << "nf" << QString(R"({"bits": %1, "group": 32})").arg(bits);
        for (int bits : {2, 4, 8})
            for (const char* codec : {"power", "log", "dint"})
                if (bits > 2 || qstrcmp(codec, "dint") != 0)
                    QTest::addRow("%s%d", codec, bits) << codec << QString(R"({"bits": %1})").arg(bits);
        for (const char* f : {"mxfp4", "mxfp6_e2m3", "mxfp6_e3m2", "mxfp8_e4m3", "mxfp8_e5m2", "mxint8"})
            QTest::addRow("%s", f) << "mx" << QString(R"({"format": "%1"})").arg(f);
        QTest::newRow("nvfp4") << "nvfp4"
                               << "{}";
        QTest::newRow("gaussian") << "gaussian"
                                  << "{}";
    }
    // Bit for bit, values and codes, on the device and on the CPU.
    void codesAreTheFormats() {
        QFETCH(QString, codec);
        QFETCH(QString, params);
        const auto* descriptor = taken(findCodec(codec.toStdString()));
        const auto given =
            taken(Params::fromJson(descriptor->params, json::parse(params.toStdString()), "test"));
        const auto format = taken(descriptor->create(given));
        const Matrix w = randomMatrix(9, 256, 90, 0.7);
        const QuantizedTensor q = fitted(*format, w);
        const auto* level = dynamic_cast<const LevelCodec*>(format.get());
        const auto own = level || format->isIntegerGrid() ? nullptr : ownLevels(*format, q.zero(0, 0));
        CodeGrid grid;
        if (level || own)
            grid = gridOf(level ? level->table() : *own);
        else
            grid.maxCode = format->levels() - 1;

        MatrixT<uint8_t> codes(9, 256);
        Matrix values(9, 256), scale(1, 256), zero(1, 256);
        for (size_t r = 0; r < w.rows(); ++r) {
            for (size_t c = 0; c < w.cols(); ++c) {
                scale(0, c) = q.scale(q.parameterRow(r), q.groupOf(c));
                zero(0, c) = q.zero(q.parameterRow(r), q.groupOf(c));
            }
            format->round(w.row(r), w.cols(), scale.data(), zero.data(), codes.row(r), values.row(r));
        }
        for (const bool cpu : {false, true}) {
            const auto backend = cpu ? makeCpuBackend(2) : device();
            CodeGroups groups;
            groups.scale = taken(selftest::up(*backend, q.scale));
            groups.zero = taken(selftest::up(*backend, q.zero));
            groups.groupSize = q.layout.groupSize;
            groups.blockRows = q.layout.blockRows;
            Tensor x = taken(selftest::up(*backend, w));
            Tensor decoded = taken(backend->allocate(9, 256));
            CodeTensor got;
            QS_VERIFY_OK(backend->roundToGrid(x, grid, groups, got, &x)); // in place
            QS_VERIFY_OK(backend->decodeCodes(got, grid, groups, decoded));
            MatrixT<uint8_t> back(9, 256);
            QS_VERIFY_OK(backend->downloadCodes(got, back.view()));
            QVERIFY(std::equal(codes.data(), codes.data() + codes.size(), back.data()));
            for (const Tensor& t : {x, decoded}) {
                const Matrix v = taken(selftest::down(*backend, t));
                QVERIFY(std::equal(values.data(), values.data() + values.size(), v.data()));
            }
        }
    }
    // Sums of a second and a third chunk of rows; centers that fill more than one tile; a row of several
    // passes of butterflies, and 2^0 of them.
    void resultsAreTheCpus() {
        const auto gpu = device(), cpu = makeCpuBackend(2);
        const Matrix points = randomMatrix(700, 3, 91), centers = randomMatrix(1500, 3, 92),
                     weights = randomMatrix(700, 1, 93);
        Matrix positive = weights.clone();
        for (float& v : positive.span())
            v = std::fabs(v);
        const auto step = [&](Backend& be) {
            const Tensor w = taken(selftest::up(be, positive));
            return taken(be.kMeansStep(taken(selftest::up(be, points)), &w, centers.view()));
        };
        const KMeansStep a = step(*gpu), b = step(*cpu);
        QVERIFY(a.nearest == b.nearest && a.losses == b.losses && a.loss == b.loss);
        for (size_t i = 0; i < a.sums.size(); ++i)
            QVERIFY(std::fabs(a.sums.data()[i] - b.sums.data()[i]) <= 1e-12);

        for (const size_t cols : {4096, 15, 1, 96}) {
            const Matrix x = randomMatrix(2, cols, 94), signs = randomMatrix(1, cols, 95);
            const size_t rest = cols / (cols & (~cols + 1));
            const MatrixD q = rest > 1 ? selftest::toDouble(randomMatrix(rest, rest, 96)) : MatrixD();
            for (const bool back : {false, true}) {
                Tensor tg = taken(selftest::up(*gpu, x)), tc = taken(selftest::up(*cpu, x));
                QS_VERIFY_OK(gpu->rotateRows(tg, signs.view().rowSpan(0), q, back));
                QS_VERIFY_OK(cpu->rotateRows(tc, signs.view().rowSpan(0), q, back));
                const Matrix mg = taken(selftest::down(*gpu, tg)), mc = taken(selftest::down(*cpu, tc));
                QVERIFY(std::equal(mg.data(), mg.data() + mg.size(), mc.data()));
            }
        }
    }
    void emptyMatrices() {
        for (const bool cpu : {false, true}) {
            const auto backend = cpu ? makeCpuBackend(2) : device();
            Tensor none = taken(backend->allocate(0, 5));
            CodeGrid grid;
            grid.maxCode = 3;
            CodeGroups groups;
            CodeTensor codes;
            QS_VERIFY_OK(backend->roundToGrid(none, grid, groups, codes, nullptr));
            QS_VERIFY_OK(backend->decodeCodes(codes, grid, groups, none));
            QCOMPARE(taken(backend->columnSums(none, std::vector<float>(5))).max, std::vector<float>(5));
            QCOMPARE(taken(backend->countValues(none, 0, 1, 2)).bins, std::vector<uint64_t>(2));
            const KMeansStep step = taken(backend->kMeansStep(none, nullptr, Matrix(2, 5).view()));
            QCOMPARE(step.loss, 0.0);
            QCOMPARE(step.sums(1, 5), 0.0);
            QS_VERIFY_OK(backend->rotateRows(none, std::vector<float>(5), MatrixD(5, 5), false));
        }
    }
    // Sums and rotations go on in smaller pieces, and say so once.
    void smallerPiecesWhenMemoryIsShort() {
        const Matrix x = randomMatrix(2048, 1536, 97); // 12 MiB
        const Matrix signs = randomMatrix(1, 1536, 98);
        MatrixD q(3, 3);
        q(0, 1) = q(1, 2) = q(2, 0) = 1;
        const auto rotated = [&](Backend& backend) {
            Tensor t = taken(selftest::up(backend, x));
            if (auto r = backend.rotateRows(t, signs.view().rowSpan(0), q, false); !r)
                qFatal("%s", r.error().describe().c_str());
            return taken(selftest::down(backend, t));
        };
        const Matrix expected = rotated(*device());
        const auto backend = device();
        QVERIFY(backend->takeNotes().empty());
        machine().memoryBytes = size_t(18) << 20; // a second matrix does not fit
        const Matrix got = rotated(*backend);
        QVERIFY(std::equal(got.data(), got.data() + got.size(), expected.data()));
        const auto notes = backend->takeNotes();
        QCOMPARE(notes.size(), size_t(1));
        QVERIFY2(notes[0].find("cuda:0: no device memory for 12.0 MiB") == 0, notes[0].c_str());
        QVERIFY(backend->takeNotes().empty());
    }
    // A batch that does not fit goes in halves; every token is shown to the hook once, in order.
    void aBatchGoesInHalves() {
        const Llama llama;
        const Matrix start = randomMatrix(2048 + 640, 32, 99);
        Matrix whole = start.clone(), pieces = start.clone(), never = start.clone();
        const auto expected = pass(llama, *device(), whole, size_t(1) << 30);
        QS_VERIFY_OK(expected);
        QCOMPARE(expected->size(), size_t(4));
        for (const size_t kib : {1700, 1100, 700}) {
            std::copy_n(start.data(), start.size(), pieces.data());
            const auto backend = device();
            const auto got = pass(llama, *backend, pieces, kib * 1024);
            QS_VERIFY_OK(got);
            QCOMPARE(backend->takeNotes().size(), size_t(1));
            QVERIFY(*got == *expected);
            QVERIFY(std::equal(pieces.data(), pieces.data() + pieces.size(), whole.data()));
        }
        // Not even one window.
        const auto none = pass(llama, *device(), never, 50 * 1024);
        QVERIFY(!none);
        QCOMPARE(int(none.error().code), int(ErrorCode::OutOfMemory));
    }
    // What a hook has begun cannot be done again.
    void aHookWithoutMemoryIsNotAskedAgain() {
        const Llama llama;
        const auto backend = device();
        Forward forward = taken(Forward::create(llama.model->spec(), *backend, 64));
        const DeviceBlock block = taken(forward.loadBlock(0, *modelWeights(*llama.model)));
        ActivationStore store = taken(ActivationStore::create(256, 32, SIZE_MAX));
        int calls = 0;
        const SiteHook hook = [&](const std::string&, const Tensor&) -> Result<void> {
            ++calls;
            return Error{ErrorCode::OutOfMemory, "the hook's own", {}};
        };
        const auto r = forward.runBlock(0, block, store, hook, true, {});
        QVERIFY(!r);
        QCOMPARE(r.error().message, std::string("the hook's own"));
        QCOMPARE(calls, 1);
    }
    // Kernels are loaded at their first launch; where memory is full that fails, and the device goes on.
    void aKernelThatFindsNoMemory() {
        const auto backend = device();
        const Matrix x = randomMatrix(3, 8, 101);
        Tensor t = taken(selftest::up(*backend, x));
        machine().refusedLaunches = 1;
        const auto r = backend->softCap(t, 30);
        QVERIFY(!r);
        QCOMPARE(int(r.error().code), int(ErrorCode::OutOfMemory));
        QVERIFY(r.error().describe().find("[softCap] no memory for the operation itself: 1024 of 1024 MiB") !=
                std::string::npos);
        QCOMPARE(backend->takeNotes().size(), size_t(1));
        const Matrix same = taken(selftest::down(*backend, t));
        QVERIFY(std::equal(x.data(), x.data() + x.size(), same.data()));
        QS_VERIFY_OK(backend->softCap(t, 30));
    }
    void aLostDeviceIsAnError() {
        const auto backend = device();
        Tensor x = taken(selftest::up(*backend, randomMatrix(4, 8, 100)));
        const std::vector<float> ones(8, 1.0f);
        machine().launchesBeforeFault = 0;
        (void)backend->rotateRows(x, ones, {}, false);
        CodeGrid grid;
        grid.maxCode = 3;
        CodeTensor codes;
        CodeGroups groups;
        groups.scale = x;
        groups.groupSize = 1;
        for (const auto& e :
             {backend->roundToGrid(x, grid, groups, codes, nullptr),
              backend->columnSums(x, ones) ? Result<void>() : Error::internal("as it should be"),
              backend->countValues(x, 0, 1, 2) ? Result<void>() : Error::internal("as it should be"),
              backend->rotateRows(x, ones, {}, true)})
            QVERIFY(!e);
        QVERIFY(backend->roundToGrid(x, grid, groups, codes, nullptr)
                    .error()
                    .describe()
                    .find("illegal memory access") != std::string::npos);
    }
};

QS_TEST(CudaCodes)
#include "tst_cuda_codes.moc"
