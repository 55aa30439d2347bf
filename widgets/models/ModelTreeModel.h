// SPDX-License-Identifier: GPL-3.0-or-later
// The model tree: model > block > module > tensor, made from the stored names when a branch is opened.
// Columns: name; format (a tensor's format; a branch's mean stored bits per weight over its quantizable
// tensors); KL share (a branch's is the sum of those below).
#pragma once

#include "core/checkpoint/checkpoint.h"
#include "widgets/models/TargetTableSource.h"
#include "widgets/models/TreePaths.h"

#include <QAbstractItemModel>
#include <QHash>
#include <QPointer>
#include <QTimer>
#include <memory>
#include <vector>

namespace qs::ui {

class ModelTreeModel : public QAbstractItemModel {
    Q_OBJECT
public:
    enum Column { Name, Format, KlShare, ColumnCount };
    enum Roles {
        TargetRole = Qt::UserRole + 1, ///< int: index into the source, -1 for branches and kept tensors
        TargetsRole,                   ///< QVector<int>: every target below the node
        TensorRole,                    ///< QString: stored tensor name of a leaf, "" of a branch
        EditedRole,                    ///< bool: it, or something below it, was edited
        StaleRole,                     ///< bool
        FailedRole,                    ///< bool
        KeptRole,                      ///< bool: a leaf that cannot be quantized
        BlockRole,                     ///< int, -1
    };

    explicit ModelTreeModel(QObject* parent = nullptr);
    ~ModelTreeModel() override;

    /// Either may be null: an empty tree. `title` names the root. `paths` belong to both; null: found here,
    /// which takes its time for a large model.
    void setModel(std::shared_ptr<const Checkpoint> checkpoint, TargetTableSource* source,
                  const QString& title, std::shared_ptr<const TreePaths> paths = nullptr);
    void setFilter(const QString& text, bool regex = false);
    const TensorFilter& filter() const { return m_filter; }
    /// The node of a target, opening the branches on the way; invalid when filtered out.
    QModelIndex indexOfTarget(int target);
    /// Something in the tree has a KL share.
    bool hasKlShares() const;
    int tensorCount() const { return int(m_paths->parts.size()); }

    QModelIndex index(int row, int column, const QModelIndex& parent = {}) const override;
    QModelIndex parent(const QModelIndex& child) const override;
    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    bool hasChildren(const QModelIndex& parent = {}) const override;
    bool canFetchMore(const QModelIndex& parent) const override;
    void fetchMore(const QModelIndex& parent) override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    struct Node;
    struct Summary;
    void rebuild();
    void onRowsChanged(const QVector<int>& targets);
    void announce();
    Node* nodeOf(const QModelIndex& index) const;
    QModelIndex indexOf(const Node* node, int column = 0) const;
    std::vector<std::unique_ptr<Node>> childrenOf(Node* node) const;
    QVector<int> targetsBelow(const Node* node) const;
    QString formatText(const Node* node) const;
    QString klShareText(const Node* node) const;
    QString toolTip(const Node* node, int column) const;
    Summary summaryOf(int tensor) const;
    const Summary& summaryOf(const Node* node) const;
    void forgetSummaries(const Node* node, const QVector<int>& targets);
    const TargetRow* targetRow(const Node* leaf) const;

    std::shared_ptr<const Checkpoint> m_checkpoint;
    QPointer<TargetTableSource> m_source;
    QString m_title;
    TensorFilter m_filter;
    std::shared_ptr<const TreePaths> m_paths = std::make_shared<const TreePaths>();
    std::unique_ptr<Node> m_root;
    QTimer m_announce; ///< changes come in bursts, and views ask about every row that is open
};

} // namespace qs::ui
