// SPDX-License-Identifier: Apache-2.0
// Activations that a device rounds itself: the same bits as those that are rounded in main memory. Hidden
// states that stay on it. Attention of devices without tensor cores.
#include "core/backend/selftest/cases.h"
#include "core/codec/row_rounder.h"
#include "core/model/cache_format.h"
#include "core/model/forward.h"
#include "core/model/kv_rounder.h"
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

std::shared_ptr<const Codec> codecOf(const char* id, const json& params) {
    const CodecDescriptor* d = taken(findCodec(id));
    return taken(d->create(taken(Params::fromJson(d->params, params, "test"))));
}

bool sameBits(const Matrix& a, const Matrix& b) {
    return a.rows() == b.rows() && a.cols() == b.cols() &&
           std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

} // namespace

class CudaRows : public QObject {
    Q_OBJECT

private slots:
    void init() { test::resetMachine(); }

    void roundedAsInMainMemory_data() {
        QTest::addColumn<QByteArray>("id");
        QTest::addColumn<QByteArray>("params");
        QTest::addColumn<bool>("fixed");
        QTest::addColumn<bool>("kernels"); // whether the device does it
        const auto row = [](const char* name, const char* id, const char* params, bool fixed, bool kernels) {
            QTest::newRow(name) << QByteArray(id) << QByteArray(params) << fixed << kernels;
        };
        row("int8 a token", "int", R"({"bits": 8, "group": -1, "grid": "absmax"})", false, true);
        row("int4 in groups", "int", R"({"bits": 4, "group": 32, "grid": "asymmetric"})", false, true);
        row("int4 per tensor", "int", R"({"bits": 4, "group": 0, "grid": "minmax"})", false, true);
        row("int8 fixed", "int", R"({"bits": 8, "group": -1, "grid": "absmax"})", true, true);
        row("fp8", "float", R"({"format": "e4m3", "group": -1})", false, true);
        row("fp4 in groups", "float", R"({"format": "e2m1", "group": 32})", false, true);
        row("nf4", "nf", R"({"bits": 4, "group": 64, "double_quant": false})", false, true);
        row("mxfp4, fitted otherwise", "mx", R"({"format": "mxfp4"})", false, false);
    }
    void roundedAsInMainMemory() {
        QFETCH(QByteArray, id);
        QFETCH(QByteArray, params);
        QFETCH(bool, fixed);
        QFETCH(bool, kernels);
        std::optional<FixedRange> range;
        if (fixed) range = FixedRange{0.0078125f, 128};
        const RowRounder rounder(codecOf(id.constData(), json::parse(params.constData())), {}, 0, range);
        Matrix x = randomMatrix(37, 128, 3, 2);
        std::fill_n(x.row(5), 128, 0.0f);
        Matrix expected = x.clone();
        QS_VERIFY_OK(rounder.round(expected.view()));
        const auto backend = device();
        const Tensor values = taken(selftest::up(*backend, x));
        Tensor rounded;
        const size_t launches = machine().launches;
        QS_VERIFY_OK(rounder.round(*backend, values, rounded));
        QVERIFY(sameBits(taken(selftest::down(*backend, rounded)), expected));
        QCOMPARE(machine().launches > launches, kernels);
        QVERIFY(sameBits(taken(selftest::down(*backend, values)), x));
        Tensor inPlace = values;
        QS_VERIFY_OK(rounder.round(*backend, inPlace, inPlace));
        QVERIFY(sameBits(taken(selftest::down(*backend, inPlace)), expected));
        Tensor none = taken(backend->allocate(0, 128)), still;
        QS_VERIFY_OK(rounder.round(*backend, none, still));
        QCOMPARE(still.rows, size_t(0));
    }

    // What the kernels do not know is rounded in main memory.
    void adjustedRows() {
        const auto codec = codecOf("int", {{"bits", 8}, {"group", -1}, {"grid", "absmax"}});
        RowAdjustment shifted;
        shifted.shift = 0.5f;
        for (const RowRounder& rounder :
             {RowRounder(codec, std::vector<float>(128, 2.0f)), RowRounder(codec, {}, 1.5f),
              RowRounder(codec, {}, 0, std::nullopt, shifted)}) {
            const Matrix x = randomMatrix(9, 128, 4, 2);
            Matrix expected = x.clone();
            QS_VERIFY_OK(rounder.round(expected.view()));
            const auto backend = device();
            Tensor values = taken(selftest::up(*backend, x));
            QS_VERIFY_OK(rounder.round(*backend, values, values));
            QVERIFY(sameBits(taken(selftest::down(*backend, values)), expected));
        }
    }

    void notFinite() {
        const RowRounder rounder(codecOf("int", {{"bits", 8}, {"group", -1}, {"grid", "absmax"}}));
        for (const float bad : {NAN, INFINITY}) {
            Matrix x = randomMatrix(9, 128, 4, 2);
            x(3, 7) = bad;
            const auto backend = device();
            const Tensor values = taken(selftest::up(*backend, x));
            Tensor rounded;
            const auto done = rounder.round(*backend, values, rounded);
            QVERIFY(!done);
            QCOMPARE(int(done.error().code), int(ErrorCode::InvalidArgument));
            QVERIFY(done.error().describe().find("cannot be rounded to int8 channel absmax") !=
                    std::string::npos);
        }
    }

    // A cache token by token is rounded there too, and the first tokens of a window are kept in main memory.
    void cache() {
        const auto rounder = std::make_shared<const RowRounder>(
            codecOf("int", {{"bits", 4}, {"group", 32}, {"grid", "asymmetric"}}));
        for (const size_t exact : {0, 2}) {
            KvRounder kv;
            kv.steps = {{0, tokenFormat(rounder), nullptr}};
            kv.exactTokens = exact;
            const Matrix x = randomMatrix(24, 64, 5);
            Matrix expected = x.clone();
            QS_VERIFY_OK(kv.round(kv.steps[0].keys.get(), 8, expected.view()));
            const auto backend = device();
            Tensor values = taken(selftest::up(*backend, x));
            const size_t launches = machine().launches;
            QS_VERIFY_OK(kv.round(kv.steps[0].keys.get(), *backend, 8, values));
            QVERIFY(sameBits(taken(selftest::down(*backend, values)), expected));
            QCOMPARE(machine().launches > launches, exact == 0);
        }
    }

    // From block to block, with the same bits as through main memory; they come back when they are asked for.
    void statesStay() {
        machine().major = 7; // tensor cores are emulated slowly
        machine().minor = 5;
        const auto folder = test::scratchDir("cuda-states");
        const test::SmallModelShape shape;
        QS_VERIFY_OK(test::writeSmallModel(folder, shape, test::smallConfig(shape)));
        const auto model = taken(openModel(folder));
        const auto weights = modelWeights(*model);
        const auto backend = device();
        Forward forward = taken(Forward::create(model->spec(), *backend, 64));
        const DeviceBlock block = taken(forward.loadBlock(0, *weights));
        constexpr size_t kRows = 2048 + 640; // two batches
        const Matrix start = randomMatrix(kRows, shape.hidden, 7);
        const auto begin = [&] {
            ActivationStore store = taken(ActivationStore::create(kRows, shape.hidden, SIZE_MAX));
            std::copy_n(start.data(), start.size(), taken(store.rows(0, kRows)).data);
            return store;
        };
        const auto run = [&](ActivationStore& store, bool keepInputs) {
            if (auto r = forward.runBlock(0, block, store, {}, keepInputs, {}); !r)
                qFatal("%s", r.error().describe().c_str());
        };
        const auto same = [&](const ActivationStore& a, const ActivationStore& b) {
            const ConstMatrixView x = taken(a.values(0, kRows)), y = taken(b.values(0, kRows));
            return std::memcmp(x.data, y.data, x.size() * sizeof(float)) == 0;
        };
        ActivationStore stays = begin(), returns = begin();
        QVERIFY(!taken(returns.release()));
        for (int i = 0; i < 3; ++i) {
            run(stays, false);
            run(returns, false);
        }
        QVERIFY(stays.held(0, 2048) && stays.held(2048, 640) && !stays.held(0, 640));
        QVERIFY(!returns.held(0, 2048));
        QVERIFY(same(stays, returns));
        QVERIFY(stays.held(0, 2048)); // reading changes nothing
        run(stays, true);
        QVERIFY(same(stays, returns));
        // What the host changes is what the next block sees.
        for (ActivationStore* s : {&stays, &returns})
            taken(s->rows(100, 3))(1, 5) += 1;
        QVERIFY(!stays.held(0, 2048) && stays.held(2048, 640));
        run(stays, false);
        run(returns, false);
        QVERIFY(same(stays, returns));
        QVERIFY(taken(stays.release()) && same(stays, returns));
        run(stays, false);
        QVERIFY(!stays.held(0, 2048));
    }
    // Where it takes too much memory nothing stays; where memory gets short later, states go back first.
    void statesGiveWay() {
        const auto backend = device();
        const Matrix x = randomMatrix(4096, 64, 9); // 1 MiB
        ActivationStore store = taken(ActivationStore::create(4096, 64, SIZE_MAX));
        const Tensor values = taken(selftest::up(*backend, x));
        constexpr size_t kMebi = size_t(1) << 20;
        const size_t used = machine().usedBytes;
        machine().memoryBytes = used + 4 * kMebi - 1; // not four times what all rows take
        QS_VERIFY_OK(store.put(*backend, 0, values));
        QVERIFY(!store.held(0, 4096));
        ActivationStore full = taken(ActivationStore::create(4096, 64, SIZE_MAX));
        machine().usedBytes = used + 12 * kMebi; // somebody else's
        machine().memoryBytes = machine().usedBytes + 8 * kMebi;
        QS_VERIFY_OK(full.put(*backend, 0, values));
        QVERIFY(!full.held(0, 4096));
        machine().usedBytes = used;
        ActivationStore more = taken(ActivationStore::create(4096, 64, SIZE_MAX));
        machine().memoryBytes = used + 8 * kMebi;
        QS_VERIFY_OK(more.put(*backend, 0, values));
        QVERIFY(more.held(0, 4096));
        ActivationStore moved = std::move(more);
        QVERIFY(taken(moved.release()));
        for (const ActivationStore* s : {&store, &moved})
            QVERIFY(std::memcmp(taken(s->values(0, 4096)).data, x.data(), x.size() * sizeof(float)) == 0);
        const auto host = makeCpuBackend();
        ActivationStore cpu = taken(ActivationStore::create(4096, 64, SIZE_MAX));
        QS_VERIFY_OK(cpu.put(*host, 0, taken(selftest::up(*host, x))));
        QVERIFY(!cpu.held(0, 4096));
    }

    // The other tests have devices with tensor cores.
    void attentionWithoutTensorCores() {
        machine().major = 7;
        machine().minor = 5;
        const auto backend = device();
        for (const SelftestCase& c : selftestCases(Precision::F32)) {
            if (c.op != "attention") continue;
            const SelftestOutcome out = runSelftest(c, *backend);
            QVERIFY2(out.passed, qPrintable(QString("%1: error %2, %3")
                                                .arg(c.shapes.c_str())
                                                .arg(out.error)
                                                .arg(out.problem.c_str())));
        }
    }
};

QS_TEST(CudaRows)
#include "tst_cuda_rows.moc"
