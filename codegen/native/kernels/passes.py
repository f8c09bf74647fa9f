"""What of Numba's compiler runs: from bytecode to LLVM, for functions of numbers, pointers and loops.

Programs and the vocabulary have no closures, contexts, generators, exceptions to catch, references to count or names to
delete. Looking for these in every function, and for the lifetimes of its variables, takes a third of what Numba does.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from numba.core import errors, interpreter, ir, ir_utils, ssa, transforms, types
from numba.core.analysis import compute_cfg_from_blocks, compute_use_defs
from numba.core.compiler import CompilerBase
from numba.core.compiler_machinery import FunctionPass, PassManager, register_pass
from numba.core.lowering import Lower
from numba.core.rewrites.static_raise import RewriteConstRaises
from numba.core.typed_passes import NativeLowering, NoPythonBackend, NopythonTypeInference, PreLowerStripPhis
from numba.core.untyped_passes import FixupArgs


class _Interpreter(interpreter.Interpreter):  # type: ignore[misc]
    """Reads bytecode."""

    ABSENT = interpreter.peep_hole_delete_with_exit, interpreter.peep_hole_fuse_dict_add_updates

    def post_process(self, peepholes: list[Any], function: Any) -> Any:
        """Contexts and dictionaries are looked for nowhere: in each statement it takes a twentieth of Numba's time."""
        return super().post_process([one for one in peepholes if one not in self.ABSENT], function)


@register_pass(mutates_CFG=True, analysis_only=False)
class _Translation(FunctionPass):  # type: ignore[misc]
    """From bytecode to Numba's statements."""

    _name = "symgraph_translation"

    def __init__(self) -> None:
        super().__init__()

    def run_pass(self, state: Any) -> bool:
        state.func_ir = _Interpreter(state.func_id).interpret(state.bc)
        return True


@register_pass(mutates_CFG=True, analysis_only=False)
class _SingleAssignment(FunctionPass):  # type: ignore[misc]
    """Blocks in their order, dead ones gone, each variable assigned once."""

    _name = "symgraph_single_assignment"

    def __init__(self) -> None:
        super().__init__()

    def run_pass(self, state: Any) -> bool:
        function = state.func_ir
        function.blocks = transforms.canonicalize_cfg(function.blocks)
        function.generator_info = None
        self._say_what_is_raised(state)
        function.blocks = _assigned_once(function.blocks)
        function._definitions = ir_utils.build_definitions(function.blocks)
        return True

    def _say_what_is_raised(self, state: Any) -> None:
        """An exception by its class, which is all that a native function can tell of one (and no program may raise)."""
        for label, block in state.func_ir.blocks.items():
            if any(block.find_insts(ir.Raise)):
                rewrite = RewriteConstRaises(state)
                while rewrite.match(state.func_ir, block, state.typemap, state.calltypes):
                    block = state.func_ir.blocks[label] = rewrite.apply()


def _assigned_once(blocks: dict[int, ir.Block]) -> dict[int, ir.Block]:
    """Each variable assigned once, as ``numba.core.ssa`` does it, and for each in the blocks that name it alone.

    Numba reads the whole function again for every variable assigned twice, and both grow with the depth of a network.
    """
    graph = compute_cfg_from_blocks(blocks)
    frontiers = ssa._iterated_domfronts(graph)
    seen = ssa._CacheListVars()
    where: defaultdict[str, set[int]] = defaultdict(set)
    for label, block in blocks.items():
        for statement in block.body:
            for variable in seen.get(statement):
                where[variable.name].add(label)
    for name in ssa._find_defs_violators(blocks, graph):
        fresh, assigned = ssa._fresh_vars({label: blocks[label] for label in blocks if label in where[name]}, name)
        blocks = {**blocks, **fresh}
        joined = where[name] | ssa._compute_phi_locations(frontiers, assigned)
        near = {label: blocks[label] for label in blocks if label in joined}
        blocks = {**blocks, **ssa._fix_ssa_vars(near, name, assigned, graph, frontiers, seen)}
    return blocks


@register_pass(mutates_CFG=False, analysis_only=False)
class _AssignmentsForPhis(PreLowerStripPhis):  # type: ignore[misc]
    _name = "symgraph_assignments_for_phis"

    def run_pass(self, state: Any) -> bool:
        state.func_ir = self._strip_phi_nodes(state.func_ir)
        return True


class _Lower(Lower):  # type: ignore[misc]
    """Writes a function's instructions."""

    def _find_singly_assigned_variable(self) -> None:
        """Variables that are assigned once and read in the same block need no memory."""
        assigned: Counter[str] = Counter()
        for block in self.blocks.values():
            assigned.update(one.target.name for one in block.find_insts(ir.Assign))
        read_elsewhere = set().union(*compute_use_defs(self.blocks).usemap.values())
        self._singly_assigned_vars = {name for name, times in assigned.items() if times == 1} - read_elsewhere
        self._blk_local_varmap: dict[str, Any] = {}

    def pre_block(self, block: ir.Block) -> None:
        self._cur_ir_block = block

    def lower_block(self, block: ir.Block) -> None:
        self.pre_block(block)
        with errors.new_error_context("lowering the block at {loc}", loc=block.loc):
            for instruction in block.body:
                self.loc = instruction.loc
                self.lower_inst(instruction)
        self.post_block(block)

    def lower_binop(self, kind: types.Type, expression: ir.Expr, operator: Any) -> Any:
        """By the operator's signature for the types of its operands, which inference has asked for before."""
        typing, signature = self.context.typing_context, self.fndesc.calltypes[expression]
        function = typing.resolve_value_type(operator)  # + where the program says +=
        operands = [
            self.context.cast(self.builder, self.loadvar(one.name), self.typeof(one.name), wanted)
            for one, wanted in zip((expression.lhs, expression.rhs), signature.args, strict=True)
        ]
        known = typing.resolve_function_type(function, signature.args, {})
        result = self.context.get_function(function, known)(self.builder, operands)
        return self.context.cast(self.builder, result, signature.return_type, kind)


@register_pass(mutates_CFG=True, analysis_only=False)
class _Lowering(NativeLowering):  # type: ignore[misc]
    _name = "symgraph_lowering"

    @property
    def lowering_class(self) -> type[Lower]:
        return _Lower


class Passes(CompilerBase):  # type: ignore[misc]
    """From bytecode to LLVM."""

    PASSES = (
        _Translation, FixupArgs, _SingleAssignment, NopythonTypeInference, _AssignmentsForPhis, _Lowering,
        NoPythonBackend,
    )  # fmt: skip

    def define_pipelines(self) -> list[PassManager]:
        self.state.type_annotation = None
        manager = PassManager("symgraph")
        for one in self.PASSES:
            manager.add_pass(one, one.__name__)
        manager.finalize()
        return [manager]
