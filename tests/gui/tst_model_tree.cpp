// SPDX-License-Identifier: GPL-3.0-or-later
// The model tree: its order, what it sums and marks, and its filter.
#include "tests/gui/FakeSource.h"
#include "tests/support/qs_test.h"
#include "widgets/models/ModelTreeModel.h"

#include <QAbstractItemModelTester>
#include <QSignalSpy>
#include <nlohmann/json.hpp>

using namespace qs;
using namespace qs::ui;

namespace {

TensorInfo tensor(const char* name, std::vector<uint64_t> shape) {
    TensorInfo t;
    t.name = name;
    t.dtype = DType::BF16;
    t.shape = std::move(shape);
    t.bytes = t.elements() * 2;
    return t;
}

/// As a file would list them: by name, so that block 10 stands before block 2 and the head first.
std::shared_ptr<const Checkpoint> smallCheckpoint() {
    std::vector<TensorInfo> tensors{tensor("lm_head.weight", {100, 64}),
                                    tensor("model.embed_tokens.weight", {100, 64}),
                                    tensor("model.norm.weight", {64})};
    for (const char* block : {"10", "0", "2"})
        for (const char* part : {"self_attn.q_proj.weight", "mlp.down_proj.weight", "mlp.down_proj.bias",
                                 "input_layernorm.weight", "post_attention_layernorm.weight"})
            tensors.push_back(tensor((std::string("model.layers.") + block + "." + part).c_str(), {64, 64}));
    return std::make_shared<const Checkpoint>("/models/tiny", "safetensors", tensors, nullptr,
                                              nlohmann::json());
}

} // namespace

class TstModelTree : public QObject {
    Q_OBJECT

private slots:
    void treePassesTheTesterAndIsInModelOrder() {
        test::FakeSource source;
        source.fill(11);
        ModelTreeModel tree;
        tree.setModel(smallCheckpoint(), &source, "tiny");
        {
            // The tester fetches on its own, and not while it hears of a reset: it gets a filled tree.
            ModelTreeModel tested;
            tested.setModel(smallCheckpoint(), &source, "tiny");
            QAbstractItemModelTester tester(&tested, QAbstractItemModelTester::FailureReportingMode::QtTest);
            QVERIFY(tested.indexOfTarget(6).isValid());
            QVERIFY(tested.indexOfTarget(14).isValid());
            emit source.rowsChanged({6}, TargetTableSource::Change::Edited);
        }
        QCOMPARE(tree.rowCount(), 1);
        const QModelIndex root = tree.index(0, 0);
        QCOMPARE(root.data().toString(), QString("tiny"));
        QCOMPARE(tree.rowCount(root), 0); // lazy
        QVERIFY(tree.canFetchMore(root));
        tree.fetchMore(root);
        QStringList names;
        for (int r = 0; r < tree.rowCount(root); ++r)
            names << tree.index(r, 0, root).data().toString();
        QCOMPARE(names, (QStringList{"embed_tokens", "block 0", "block 2", "block 10", "norm", "lm_head"}));
        const QModelIndex block = tree.index(1, 0, root);
        tree.fetchMore(block);
        QCOMPARE(tree.index(0, 0, block).data().toString(), QString("self_attn"));
        QCOMPARE(tree.index(1, 0, block).data().toString(), QString("mlp"));
        QCOMPARE(tree.index(2, 0, block).data().toString(), QString("norms 2"));
        const QModelIndex mlp = tree.index(1, 0, block);
        tree.fetchMore(mlp);
        QCOMPARE(tree.rowCount(mlp), 2); // the weight, and the bias under its own name
        QCOMPARE(tree.index(0, 0, mlp).data(ModelTreeModel::TargetRole).toInt(), 6);
        QCOMPARE(tree.index(1, 0, mlp).data().toString(), QString("down_proj.bias"));
        QCOMPARE(tree.index(1, 0, mlp).data(ModelTreeModel::KeptRole).toBool(), true);
        QCOMPARE(tree.index(1, 1, mlp).data().toString(), QString("BF16"));
        QCOMPARE(tree.index(0, 1, mlp).data().toString(), source.rows[6].info->format);
    }

    void treeSumsFormatsAndMarks() {
        test::FakeSource source;
        source.fill(11);
        ModelTreeModel tree;
        tree.setModel(smallCheckpoint(), &source, "tiny");
        // Targets of block 0 in this file: q (64 x 64, 8 bits) and down (448 x 64, 8 bits).
        source.rows[6].bytesAfter = source.rows[6].rows * source.rows[6].cols / 2; // 4 bits
        const QModelIndex down = tree.indexOfTarget(6);
        QVERIFY(down.isValid());
        QCOMPARE(down.data().toString(), QString("down_proj"));
        const QModelIndex block = down.parent().parent();
        // (64 * 8 + 448 * 4) / 512 = 4.5
        QCOMPARE(block.siblingAtColumn(1).data().toString(), QLocale().toString(4.5, 'f', 2));
        QCOMPARE(block.data(ModelTreeModel::TargetsRole).value<QVector<int>>(), (QVector<int>{0, 6}));
        QCOMPARE(block.data(ModelTreeModel::EditedRole).toBool(), false);
        source.rows[6].edited = true;
        QSignalSpy spy(&tree, &QAbstractItemModel::dataChanged);
        emit source.rowsChanged({6}, TargetTableSource::Change::Edited);
        QTRY_VERIFY(spy.size() >= 1); // in bursts
        QCOMPARE(block.data(ModelTreeModel::EditedRole).toBool(), true);
        QCOMPARE(block.parent().data(ModelTreeModel::EditedRole).toBool(), true);
        tree.setFilter("block_that_is_not");
        QCOMPARE(tree.rowCount(), 0);
        QVERIFY(!tree.indexOfTarget(6).isValid());
        tree.setFilter("down_proj");
        QVERIFY(tree.indexOfTarget(6).isValid());
        QVERIFY(!tree.indexOfTarget(0).isValid());
        tree.setModel(nullptr, nullptr, {});
        QCOMPARE(tree.rowCount(), 0);
    }
};

QS_TEST(TstModelTree)
#include "tst_model_tree.moc"
