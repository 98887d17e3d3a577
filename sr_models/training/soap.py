"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner.

Vyas et al., "SOAP: Improving and Stabilizing Shampoo using Adam", arXiv 2409.11321, algorithm 3.
For a gradient G of m x n it averages L = G G^T and R = G^T G, turns G into the eigenbases of both,
applies Adam there and turns the update back. The eigenbases follow by one step of power iteration
and a QR decomposition every few steps (algorithm 4). The networks here are tiny, so all of this
costs a few percent of a step, and buys what took three times as many steps of Adam
(docs/training.md).

Adam divides every direction by its own size, however small. In the turned basis a direction that
holds no gradient still holds what rounding leaves there, and dividing that by itself makes full
steps in directions that a processor's order of additions chooses, even against the gradient. The
paper leaves this to Adam's epsilon, which is absolute and knows nothing of a tensor's rounding
noise. So the denominator of a turned tensor also has an epsilon relative to its largest direction,
see `RELATIVE_EPSILON`.
"""

from __future__ import annotations

import math

import tensorflow as tf
import tf_keras

LARGEST_BASIS = 2048
"""Sides longer than this are left unturned, as in section 4 of the paper (one-sided SOAP)."""

LARGEST_RATIO = 10.0
"""Bound of the averaged gradient over its root mean square. In a basis that stands still it cannot
exceed 1 (Jensen, as both decays are one); where the basis has just turned into a direction without
a gradient so far, it can grow to the inverse of the epsilons, which the paper leaves open."""

RELATIVE_EPSILON = 1e-5
"""Share of a turned tensor's largest root mean square that is added to all of them. It stands
between two sizes: rounding a gradient and turning it in float32 leaves some 1e-7 of the largest
direction in all others (at most 5e-7 in ABPN and XLSR), of which a hundredth of a step remains. Of
the directions that these networks learn in, more than 97 % are above 1e-4, which keep 90 % or more
of their steps; the median one keeps 98 % or more."""


def as_matrix(shape: tuple[int, ...]) -> tuple[int, int]:
    """Sides of the matrix that a variable is seen as: all axes but the last, and the last."""
    columns = int(shape[-1]) if shape else 1
    return math.prod(int(side) for side in shape) // max(1, columns), columns


@tf_keras.saving.register_keras_serializable("sr_models")
class Soap(tf_keras.optimizers.Optimizer):
    """SOAP for kernels; Adam for biases and whatever else is no matrix.

    Args:
        learning_rate: Size of a step, as for Adam.
        beta_1: Decay of the averaged gradient.
        beta_2: Decay of the averaged squares and of both preconditioners.
        epsilon: Added to the root of the averaged square.
        relative_epsilon: Share of the largest such root that is added too, in turned tensors.
        basis_interval: Steps between updates of the eigenbases.
    """

    def __init__(
        self,
        learning_rate: float = 3e-3,
        *,
        beta_1: float = 0.95,
        beta_2: float = 0.95,
        epsilon: float = 1e-8,
        relative_epsilon: float = RELATIVE_EPSILON,
        basis_interval: int = 10,
        name: str = "Soap",
        **kwargs,
    ):
        # XLA would compile each network anew for a gain that tiny matrices do not show.
        super().__init__(name=name, jit_compile=False, **kwargs)
        self._learning_rate = self._build_learning_rate(learning_rate)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.relative_epsilon = relative_epsilon
        self.basis_interval = basis_interval

    def build(self, var_list):
        """Make the averages of each variable, and the bases of each matrix."""
        super().build(var_list)
        if getattr(self, "_built", False):
            return
        self._built = True
        self._momenta, self._squares, self._left, self._right = [], [], [], []
        for variable in var_list:
            rows, columns = as_matrix(variable.shape)
            turned = min(rows, columns) > 1
            self._momenta.append(self._new(variable, "momentum", (rows, columns)))
            self._squares.append(self._new(variable, "square", (rows, columns)))
            self._left.append(self._basis(variable, "left", rows if turned else 1))
            self._right.append(self._basis(variable, "right", columns if turned else 1))

    def _new(self, variable, name: str, shape: tuple[int, int], *, identity: bool = False):
        value = tf.eye(shape[0]) if identity else tf.zeros(shape)
        return self.add_variable_from_reference(
            variable, name, shape=tf.TensorShape(shape), initial_value=value
        )

    def _basis(self, variable, name: str, side: int):
        """The averaged product and its eigenvectors, or `None` for a side that is not turned."""
        if not 1 < side <= LARGEST_BASIS:
            return None
        return (
            self._new(variable, f"{name}_product", (side, side)),
            self._new(variable, f"{name}_basis", (side, side), identity=True),
        )

    def update_step(self, gradient, variable):
        """One step of one variable; the very first one only sets up the bases (algorithm 3)."""
        index = self._index_dict[self._var_key(variable)]
        momentum, square = self._momenta[index], self._squares[index]
        bases = self._left[index], self._right[index]
        matrix = tf.reshape(tf.convert_to_tensor(gradient), momentum.shape)

        count = tf.cast(self.iterations, tf.float32)
        begun = tf.cast(count > 0.0, tf.float32)
        momentum.assign_add(begun * (1.0 - self.beta_1) * (matrix - momentum))
        turned = _turn(matrix, *bases)
        square.assign_add(begun * (1.0 - self.beta_2) * (tf.square(turned) - square))
        count = tf.maximum(count, 1.0)
        mean = _turn(momentum, *bases) / (1.0 - self.beta_1**count)
        root = tf.sqrt(square / (1.0 - self.beta_2**count))
        floor = self.epsilon
        if bases != (None, None):
            floor += self.relative_epsilon * tf.reduce_max(root)
        ratio = tf.clip_by_value(mean / (root + floor), -LARGEST_RATIO, LARGEST_RATIO)
        update = tf.reshape(_turn_back(ratio, *bases), variable.shape)
        variable.assign_sub(begun * tf.cast(self.learning_rate, tf.float32) * update)

        left, right = bases
        followed = []
        if left is not None:
            followed.append((*left, tf.matmul(matrix, matrix, transpose_b=True)))
        if right is not None:
            followed.append((*right, tf.matmul(matrix, matrix, transpose_a=True)))
        if followed:
            self._follow(followed)

    def _follow(self, sides) -> None:
        """Average the products of both sides, and turn the bases along where that is due.

        One choice among three branches for both: each branch of a graph takes time to trace.
        """
        for averaged, _, product in sides:
            averaged.assign(self.beta_2 * averaged + (1.0 - self.beta_2) * product)
        step = tf.cast(self.iterations, tf.int32)
        due = tf.equal(tf.math.floormod(step, self.basis_interval), 0)

        def kept():
            return tuple(tf.convert_to_tensor(basis) for _, basis, _ in sides)

        def first():
            return tuple(tf.linalg.eigh(averaged)[1] for averaged, _, _ in sides)

        def later():
            return tuple(
                tf.linalg.qr(tf.matmul(averaged, basis))[0] for averaged, basis, _ in sides
            )

        branch = tf.where(due, tf.where(tf.equal(step, 0), 1, 2), 0)
        turned = tf.switch_case(branch, [kept, first, later])
        for (_, basis, _), new in zip(sides, tf.nest.flatten(turned)):
            basis.assign(new)

    def get_config(self):
        """Arguments that make the same optimizer."""
        inherited = super().get_config()
        del inherited["jit_compile"]
        return {
            **inherited,
            "learning_rate": self._serialize_hyperparameter(self._learning_rate),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "relative_epsilon": self.relative_epsilon,
            "basis_interval": self.basis_interval,
        }


def _turn(matrix, left, right):
    """Q_L^T M Q_R."""
    if left is not None:
        matrix = tf.matmul(left[1], matrix, transpose_a=True)
    return matrix if right is None else tf.matmul(matrix, right[1])


def _turn_back(matrix, left, right):
    """Q_L M Q_R^T."""
    if left is not None:
        matrix = tf.matmul(left[1], matrix)
    return matrix if right is None else tf.matmul(matrix, right[1], transpose_b=True)
