// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/ModelTreeModel.h"

#include "widgets/models/Metric.h"
#include "widgets/theme/Theme.h"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace qs::ui {

struct ModelTreeModel::Node {
    Node* parent = nullptr;
    int row = 0;
    int depth = 0; ///< path parts above its children
    QString title;
    int tensor = -1;          ///< of a leaf
    std::vector<int> tensors; ///< of a branch: everything below
    std::vector<std::unique_ptr<Node>> children;
    bool populated = false;

    bool leaf() const { return tensor >= 0; }
};

namespace {

bool isNumber(const QString& s) {
    return !s.isEmpty() && std::all_of(s.begin(), s.end(), [](QChar c) { return c >= '0' && c <= '9'; });
}

QString typeText(const TensorInfo& t) {
    return QString::fromStdString(std::string(t.typeName()));
}

/// "model.layers.0.self_attn.q_proj.weight" -> block 0, self_attn, q_proj. The block's number, or -1, into
/// `block`.
QStringList pathOf(const QString& name, int& block) {
    QStringList parts = name.split(QLatin1Char('.'));
    if (parts.size() > 1 && parts.front() == QLatin1String("model")) parts.removeFirst();
    if (parts.size() > 1) {
        const QString last = parts.takeLast();
        if (last != QLatin1String("weight")) parts.back() += QLatin1Char('.') + last;
    }
    block = -1;
    // "layers.0" and its likes become one part.
    for (qsizetype i = 0; i + 1 < parts.size(); ++i) {
        if (!isNumber(parts[i + 1])) continue;
        block = parts[i + 1].toInt();
        parts[i] = ModelTreeModel::tr("block %1").arg(parts[i + 1]);
        parts.removeAt(i + 1);
        if (parts.size() == i + 2 && parts.back().contains(QLatin1String("norm")))
            parts.insert(i + 1, ModelTreeModel::tr("norms"));
        break;
    }
    return parts;
}

/// Embedding, blocks, the rest, output head.
int sectionOf(QStringView lower, int block) {
    if (block >= 0) return 1;
    if (lower.contains(QLatin1String("embed")) || lower.contains(QLatin1String("wte"))) return 0;
    if (lower.contains(QLatin1String("lm_head")) || lower.startsWith(QLatin1String("output."))) return 3;
    return 2;
}

} // namespace

ModelTreeModel::ModelTreeModel(QObject* parent) : QAbstractItemModel(parent) {}
ModelTreeModel::~ModelTreeModel() = default;

void ModelTreeModel::setModel(std::shared_ptr<const Checkpoint> checkpoint, TargetTableSource* source,
                              const QString& title) {
    if (m_source) disconnect(m_source, nullptr, this, nullptr);
    beginResetModel();
    m_checkpoint = std::move(checkpoint);
    m_source = source;
    m_title = title;
    const size_t n = m_checkpoint ? m_checkpoint->tensors().size() : 0;
    m_names.resize(n);
    m_lowerNames.clear();
    m_block.resize(n);
    m_targetOf.assign(n, -1);
    QHash<QString, int> targets;
    if (source)
        for (int t = 0; t < source->count(); ++t)
            targets.insert(source->row(t).tensor, t);
    for (size_t i = 0; i < n; ++i) {
        const QString name = QString::fromStdString(m_checkpoint->tensors()[i].name);
        m_names[i] = pathOf(name, m_block[i]);
        m_lowerNames.append(name);
        m_targetOf[i] = targets.value(name, -1);
    }
    m_sorted.resize(n);
    std::iota(m_sorted.begin(), m_sorted.end(), 0);
    const auto key = [this](int i) {
        const auto t = size_t(i);
        // Targets are in the order of the forward pass; what is kept follows them.
        return std::make_tuple(sectionOf(m_lowerNames.at(t), m_block[t]), m_block[t],
                               m_targetOf[t] < 0 ? std::numeric_limits<int>::max() : m_targetOf[t]);
    };
    std::stable_sort(m_sorted.begin(), m_sorted.end(), [&](int a, int b) {
        const auto x = key(a), y = key(b);
        return x != y ? x < y : naturalLess(m_lowerNames.at(size_t(a)), m_lowerNames.at(size_t(b)));
    });
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
    const std::vector<char> passes = m_filter.matching(m_lowerNames, [this](size_t t) { return m_block[t]; });
    for (const int i : m_sorted)
        if (passes[size_t(i)]) model->tensors.push_back(i);
    if (!model->tensors.empty()) m_root->children.push_back(std::move(model));
}

std::vector<std::unique_ptr<ModelTreeModel::Node>> ModelTreeModel::childrenOf(Node* node) const {
    std::vector<std::unique_ptr<Node>> out;
    QHash<QString, Node*> branches;
    for (const int i : node->tensors) {
        const QStringList& path = m_names[size_t(i)];
        const QString& part = path[node->depth];
        const bool leaf = path.size() == node->depth + 1;
        Node* branch = leaf ? nullptr : branches.value(part);
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
    const auto it = std::find(m_targetOf.begin(), m_targetOf.end(), target);
    if (it == m_targetOf.end() || target < 0 || !m_root || m_root->children.empty()) return {};
    const int tensor = int(it - m_targetOf.begin());
    Node* node = m_root->children.front().get();
    while (!node->leaf()) {
        fetchMore(indexOf(node));
        const auto child = std::find_if(node->children.begin(), node->children.end(), [&](const auto& c) {
            return c->leaf() ? c->tensor == tensor
                             : std::find(c->tensors.begin(), c->tensors.end(), tensor) != c->tensors.end();
        });
        if (child == node->children.end()) return {};
        node = child->get();
    }
    return indexOf(node);
}

void ModelTreeModel::onRowsChanged(const QVector<int>&) {
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

const TargetRow* ModelTreeModel::targetRow(const Node* leaf) const {
    const int target = m_targetOf[size_t(leaf->tensor)];
    return m_source && target >= 0 && target < m_source->count() ? &m_source->row(target) : nullptr;
}

QVector<int> ModelTreeModel::targetsBelow(const Node* node) const {
    QVector<int> out;
    const auto add = [&](int tensor) {
        if (const int t = m_targetOf[size_t(tensor)]; t >= 0) out.push_back(t);
    };
    if (node->leaf()) add(node->tensor);
    for (const int i : node->tensors)
        add(i);
    return out;
}

QString ModelTreeModel::formatText(const Node* node) const {
    if (node->leaf()) {
        if (const TargetRow* row = targetRow(node)) return row->format;
        return typeText(m_checkpoint->tensors()[size_t(node->tensor)]);
    }
    double bits = 0, weights = 0;
    for (const int t : m_source ? targetsBelow(node) : QVector<int>()) {
        const TargetRow& row = m_source->row(t);
        bits += 8.0 * double(row.bytesAfter);
        weights += double(row.rows) * double(row.cols);
    }
    return weights > 0 ? QLocale().toString(bits / weights, 'f', 2) : QString();
}

bool ModelTreeModel::anyBelow(const Node* node, bool (*flag)(const TargetRow&)) const {
    if (!m_source) return false;
    if (node->leaf()) {
        const TargetRow* row = targetRow(node);
        return row && flag(*row);
    }
    return std::any_of(node->tensors.begin(), node->tensors.end(), [&](int i) {
        const int t = m_targetOf[size_t(i)];
        return t >= 0 && t < m_source->count() && flag(m_source->row(t));
    });
}

QVariant ModelTreeModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid()) return {};
    const Node* node = nodeOf(index);
    const bool kept = node->leaf() && m_targetOf[size_t(node->tensor)] < 0;
    switch (role) {
    case Qt::DisplayRole:
        if (index.column() == Format) return formatText(node);
        // A branch that only holds kept tensors says how many.
        if (!node->leaf() && node->depth > 1 && targetsBelow(node).isEmpty())
            return QStringLiteral("%1 %2").arg(node->title).arg(node->tensors.size());
        return node->title;
    case Qt::ToolTipRole:
        if (!node->leaf())
            return index.column() == Format
                       ? QVariant(tr("Stored bits per weight, mean of the quantizable tensors."))
                       : QVariant();
        {
            const TensorInfo& t = m_checkpoint->tensors()[size_t(node->tensor)];
            QStringList shape;
            for (const uint64_t d : t.shape)
                shape << integerText(qint64(d));
            return QStringLiteral("%1\n%2 · %3 · %4")
                .arg(QString::fromStdString(t.name), shape.join(QStringLiteral(" × ")), typeText(t),
                     bytesText(t.bytes));
        }
    case Qt::TextAlignmentRole:
        return int((index.column() == Format ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignVCenter);
    case Qt::ForegroundRole:
        return kept || index.column() == Format ? QVariant(theme().text3) : QVariant();
    case Qt::FontRole:
        return node->depth == 0 ? QVariant(boldFont()) : QVariant();
    case TargetRole:
        return node->leaf() ? m_targetOf[size_t(node->tensor)] : -1;
    case TargetsRole:
        return QVariant::fromValue(targetsBelow(node));
    case TensorRole:
        return node->leaf() ? QString::fromStdString(m_checkpoint->tensors()[size_t(node->tensor)].name)
                            : QString();
    case EditedRole:
        return anyBelow(node, [](const TargetRow& r) { return r.edited; });
    case StaleRole:
        return anyBelow(node, [](const TargetRow& r) { return r.stale; });
    case FailedRole:
        return anyBelow(node,
                        [](const TargetRow& r) { return r.different || r.state == TargetState::Failed; });
    case KeptRole:
        return kept;
    case BlockRole: {
        const int tensor = node->leaf() ? node->tensor : node->tensors.front();
        return node->depth == 0 ? -1 : m_block[size_t(tensor)];
    }
    default:
        return {};
    }
}

QVariant ModelTreeModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole) return {};
    return section == Name ? tr("Tensor") : section == Format ? tr("Format") : QVariant();
}

} // namespace qs::ui
