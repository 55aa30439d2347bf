// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/ModelTreeModel.h"

#include "widgets/models/Metric.h"
#include "widgets/theme/Theme.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace qs::ui {

/// What a row says about the targets below it.
struct ModelTreeModel::Summary {
    int targets = 0;
    double bits = 0, weights = 0;
    double klShare = kNotMeasured; ///< of those that were measured
    bool edited = false, stale = false, failed = false;

    void add(const Summary& other) {
        targets += other.targets;
        bits += other.bits;
        weights += other.weights;
        klShare =
            std::isnan(klShare) ? other.klShare : klShare + (std::isnan(other.klShare) ? 0 : other.klShare);
        edited |= other.edited;
        stale |= other.stale;
        failed |= other.failed;
    }
};

struct ModelTreeModel::Node {
    Node* parent = nullptr;
    int row = 0;
    int depth = 0; ///< path parts above its children
    QString title;
    int tensor = -1;          ///< of a leaf
    std::vector<int> tensors; ///< of a branch: everything below
    std::vector<std::unique_ptr<Node>> children;
    bool populated = false;
    mutable std::optional<Summary> summary; ///< of everything below; empty: to be counted

    bool leaf() const { return tensor >= 0; }
};

namespace {

constexpr int kAnnounceMs = 30;

QString typeText(const TensorInfo& t) {
    return QString::fromStdString(std::string(t.typeName()));
}

} // namespace

ModelTreeModel::ModelTreeModel(QObject* parent) : QAbstractItemModel(parent) {
    m_announce.setSingleShot(true);
    m_announce.setInterval(kAnnounceMs);
    connect(&m_announce, &QTimer::timeout, this, &ModelTreeModel::announce);
}
ModelTreeModel::~ModelTreeModel() = default;

void ModelTreeModel::setModel(std::shared_ptr<const Checkpoint> checkpoint, TargetTableSource* source,
                              const QString& title, std::shared_ptr<const TreePaths> paths) {
    if (m_source) disconnect(m_source, nullptr, this, nullptr);
    beginResetModel();
    m_checkpoint = std::move(checkpoint);
    m_source = source;
    m_title = title;
    if (m_checkpoint && !paths) {
        QStringList tensors;
        for (int t = 0; source && t < source->count(); ++t)
            tensors << source->row(t).tensor;
        paths = TreePaths::of(*m_checkpoint, tensors);
    }
    m_paths = paths ? std::move(paths) : std::make_shared<const TreePaths>();
    rebuild();
    endResetModel();
    if (source)
        connect(source, &TargetTableSource::rowsChanged, this,
                [this](const QVector<int>& t) { onRowsChanged(t); });
}

void ModelTreeModel::setFilter(const QString& text, bool regex) {
    beginResetModel();
    m_filter = TensorFilter(text, regex);
    rebuild();
    endResetModel();
}

void ModelTreeModel::rebuild() {
    m_root = std::make_unique<Node>();
    m_root->populated = true;
    if (!m_checkpoint) return;
    auto model = std::make_unique<Node>();
    model->parent = m_root.get();
    model->title = m_title;
    const std::vector<char> passes =
        m_filter.matching(m_paths->names, [this](size_t t) { return m_paths->block[t]; });
    for (const int i : m_paths->sorted)
        if (passes[size_t(i)]) model->tensors.push_back(i);
    if (!model->tensors.empty()) m_root->children.push_back(std::move(model));
}

std::vector<std::unique_ptr<ModelTreeModel::Node>> ModelTreeModel::childrenOf(Node* node) const {
    std::vector<std::unique_ptr<Node>> out;
    QHash<QString, Node*> branches;
    Node* last = nullptr; // most tensors go where the one before went
    for (const int i : node->tensors) {
        const QStringList& path = m_paths->parts[size_t(i)];
        const QString& part = path[node->depth];
        const bool leaf = path.size() == node->depth + 1;
        Node* branch = leaf ? nullptr : last && last->title == part ? last : branches.value(part);
        if (!branch) {
            auto child = std::make_unique<Node>();
            child->parent = node;
            child->row = int(out.size());
            child->depth = node->depth + 1;
            child->title = part;
            if (leaf) {
                child->tensor = i;
                child->populated = true;
            } else {
                branches.insert(part, child.get());
                branch = child.get();
            }
            out.push_back(std::move(child));
        }
        if (branch) branch->tensors.push_back(i);
        last = branch ? branch : last;
    }
    return out;
}

ModelTreeModel::Node* ModelTreeModel::nodeOf(const QModelIndex& index) const {
    return index.isValid() ? static_cast<Node*>(index.internalPointer()) : m_root.get();
}

QModelIndex ModelTreeModel::indexOf(const Node* node, int column) const {
    return node && node != m_root.get() ? createIndex(node->row, column, const_cast<Node*>(node))
                                        : QModelIndex();
}

QModelIndex ModelTreeModel::index(int row, int column, const QModelIndex& parent) const {
    if (!hasIndex(row, column, parent)) return {};
    return createIndex(row, column, nodeOf(parent)->children[size_t(row)].get());
}

QModelIndex ModelTreeModel::parent(const QModelIndex& child) const {
    return child.isValid() ? indexOf(nodeOf(child)->parent) : QModelIndex();
}

int ModelTreeModel::rowCount(const QModelIndex& parent) const {
    return parent.column() > 0 || !m_root ? 0 : int(nodeOf(parent)->children.size());
}

int ModelTreeModel::columnCount(const QModelIndex&) const {
    return ColumnCount;
}

bool ModelTreeModel::hasChildren(const QModelIndex& parent) const {
    if (parent.column() > 0 || !m_root) return false;
    const Node* node = nodeOf(parent);
    return node == m_root.get() ? !node->children.empty() : !node->leaf();
}

bool ModelTreeModel::canFetchMore(const QModelIndex& parent) const {
    return parent.isValid() && parent.column() == 0 && !nodeOf(parent)->populated;
}

void ModelTreeModel::fetchMore(const QModelIndex& parent) {
    if (!canFetchMore(parent)) return;
    Node* node = nodeOf(parent);
    auto children = childrenOf(node);
    beginInsertRows(parent, 0, int(children.size()) - 1);
    node->children = std::move(children);
    node->populated = true;
    endInsertRows();
}

QModelIndex ModelTreeModel::indexOfTarget(int target) {
    if (target < 0 || size_t(target) >= m_paths->tensorOf.size() || !m_root || m_root->children.empty())
        return {};
    const int tensor = m_paths->tensorOf[size_t(target)];
    if (tensor < 0) return {};
    const auto before = [this](int a, int b) {
        return m_paths->place[size_t(a)] < m_paths->place[size_t(b)];
    };
    Node* node = m_root->children.front().get();
    while (!node->leaf()) {
        fetchMore(indexOf(node));
        // The tensors below a node are in the order of the tree.
        const auto child = std::find_if(node->children.begin(), node->children.end(), [&](const auto& c) {
            return c->leaf() ? c->tensor == tensor
                             : std::binary_search(c->tensors.begin(), c->tensors.end(), tensor, before);
        });
        if (child == node->children.end()) return {};
        node = child->get();
    }
    return indexOf(node);
}

void ModelTreeModel::forgetSummaries(const Node* node, const QVector<int>& targets) {
    // A change of everything is told from a change of one without asking every node for each target.
    constexpr qsizetype kFew = 64;
    const auto below = [&](int target) {
        if (target < 0 || size_t(target) >= m_paths->tensorOf.size()) return false;
        const int tensor = m_paths->tensorOf[size_t(target)];
        return tensor >= 0 &&
               std::binary_search(node->tensors.begin(), node->tensors.end(), tensor, [this](int a, int b) {
                   return m_paths->place[size_t(a)] < m_paths->place[size_t(b)];
               });
    };
    if (targets.size() <= kFew && !node->leaf() && !std::any_of(targets.begin(), targets.end(), below))
        return;
    node->summary.reset();
    for (const auto& c : node->children)
        if (!c->leaf()) forgetSummaries(c.get(), targets);
}

void ModelTreeModel::onRowsChanged(const QVector<int>& targets) {
    if (!m_root || m_root->children.empty()) return;
    forgetSummaries(m_root->children.front().get(), targets);
    if (!m_announce.isActive()) m_announce.start();
}

void ModelTreeModel::announce() {
    if (!m_root || m_root->children.empty()) return;
    // Values only; a branch shows the mean of what is below, so everything that is open may differ.
    std::vector<const Node*> open{m_root.get()};
    while (!open.empty()) {
        const Node* node = open.back();
        open.pop_back();
        if (node->children.empty()) continue;
        emit dataChanged(indexOf(node->children.front().get(), 0),
                         indexOf(node->children.back().get(), ColumnCount - 1));
        for (const auto& c : node->children)
            if (!c->leaf()) open.push_back(c.get());
    }
}

ModelTreeModel::Summary ModelTreeModel::summaryOf(int tensor) const {
    const int target = m_paths->targetOf[size_t(tensor)];
    if (!m_source || target < 0 || target >= m_source->count()) return {};
    const TargetRow& row = m_source->row(target);
    return {1,
            8.0 * double(row.bytesAfter),
            row.weights(),
            row.klShare,
            row.edited,
            row.stale,
            row.different || row.state == TargetState::Failed};
}

const ModelTreeModel::Summary& ModelTreeModel::summaryOf(const Node* node) const {
    if (!node->leaf() && node->summary) return *node->summary;
    Summary sum;
    if (node->leaf())
        sum = summaryOf(node->tensor);
    else if (node->populated)
        for (const auto& c : node->children)
            sum.add(summaryOf(c.get()));
    else
        for (const int t : node->tensors)
            sum.add(summaryOf(t));
    return node->summary.emplace(sum);
}

const TargetRow* ModelTreeModel::targetRow(const Node* leaf) const {
    const int target = m_paths->targetOf[size_t(leaf->tensor)];
    return m_source && target >= 0 && target < m_source->count() ? &m_source->row(target) : nullptr;
}

QVector<int> ModelTreeModel::targetsBelow(const Node* node) const {
    QVector<int> out;
    const auto add = [&](int tensor) {
        if (const int t = m_paths->targetOf[size_t(tensor)]; t >= 0) out.push_back(t);
    };
    if (node->leaf()) add(node->tensor);
    for (const int i : node->tensors)
        add(i);
    return out;
}

QString ModelTreeModel::formatText(const Node* node) const {
    if (node->leaf()) {
        if (const TargetRow* row = targetRow(node)) return row->info->format;
        return typeText(m_checkpoint->tensors()[size_t(node->tensor)]);
    }
    const Summary& sum = summaryOf(node);
    return sum.weights > 0 ? QLocale().toString(sum.bits / sum.weights, 'f', 2) : QString();
}

QString ModelTreeModel::klShareText(const Node* node) const {
    const double share = node->leaf() ? summaryOf(node->tensor).klShare : summaryOf(node).klShare;
    return metricText(Metric::KlShare, share * 100);
}

bool ModelTreeModel::hasKlShares() const {
    return m_root && !m_root->children.empty() &&
           !std::isnan(summaryOf(m_root->children.front().get()).klShare);
}

QString ModelTreeModel::toolTip(const Node* node, int column) const {
    if (column == KlShare) {
        const TargetRow* row = targetRow(node);
        const QString standIn = row ? klStandInText(*row) : QString();
        return (metricInfo(Metric::KlShare).help + QLatin1Char('\n') + standIn).trimmed();
    }
    if (!node->leaf())
        return column == Format ? tr("Stored bits per weight, mean of the quantizable tensors.") : QString();
    const TensorInfo& t = m_checkpoint->tensors()[size_t(node->tensor)];
    QStringList shape;
    for (const uint64_t d : t.shape)
        shape << integerText(qint64(d));
    return QStringLiteral("%1\n%2 · %3 · %4")
        .arg(QString::fromStdString(t.name), shape.join(QStringLiteral(" × ")), typeText(t),
             bytesText(t.bytes));
}

QVariant ModelTreeModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid()) return {};
    const Node* node = nodeOf(index);
    const bool kept = node->leaf() && m_paths->targetOf[size_t(node->tensor)] < 0;
    switch (role) {
    case Qt::DisplayRole:
        if (index.column() == Format) return formatText(node);
        if (index.column() == KlShare) return klShareText(node);
        // A branch that only holds kept tensors says how many.
        if (!node->leaf() && node->depth > 1 && summaryOf(node).targets == 0)
            return QStringLiteral("%1 %2").arg(node->title).arg(node->tensors.size());
        return node->title;
    case Qt::ToolTipRole:
        return toolTip(node, index.column());
    case Qt::TextAlignmentRole:
        return int((index.column() != Name ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignVCenter);
    case Qt::ForegroundRole:
        return kept || index.column() != Name ? QVariant(theme().text3) : QVariant();
    case Qt::FontRole:
        return node->depth == 0 ? QVariant(boldFont()) : QVariant();
    case TargetRole:
        return node->leaf() ? m_paths->targetOf[size_t(node->tensor)] : -1;
    case TargetsRole:
        return QVariant::fromValue(targetsBelow(node));
    case TensorRole:
        return node->leaf() ? QString::fromStdString(m_checkpoint->tensors()[size_t(node->tensor)].name)
                            : QString();
    case EditedRole:
        return summaryOf(node).edited;
    case StaleRole:
        return summaryOf(node).stale;
    case FailedRole:
        return summaryOf(node).failed;
    case KeptRole:
        return kept;
    case BlockRole: {
        const int tensor = node->leaf() ? node->tensor : node->tensors.front();
        return node->depth == 0 ? -1 : m_paths->block[size_t(tensor)];
    }
    default:
        return {};
    }
}

QVariant ModelTreeModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole) return {};
    switch (section) {
    case Name:
        return tr("Tensor");
    case Format:
        return tr("Format");
    case KlShare:
        return tr("KL, %");
    default:
        return {};
    }
}

} // namespace qs::ui
